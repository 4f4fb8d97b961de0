"""medplug's contracts, held against this package, as `medplug check` does."""

from __future__ import annotations

from medplug.core.conformance import Check, parametrize


@parametrize("medplug_bss")
def test_it_keeps_the_contract(check: Check) -> None:
    check()
