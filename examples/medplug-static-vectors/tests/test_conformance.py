"""medplug's contracts, held against this package, as `medplug check` does."""

from medplug.core.conformance import Check, parametrize


@parametrize("medplug_static_vectors")
def test_it_keeps_the_contract(check: Check) -> None:
    check()
