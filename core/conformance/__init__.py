"""The conformance kit: what the contracts promise, held against a plugin's own code.

In a plugin's tests::

    from medplug.core.conformance import parametrize

    @parametrize("medplug_demo", expected_failures={"backbone:demo:padding": "mended in the next version"})
    def test_it_keeps_the_contract(check):
        check()

and from the command line: ``medplug check medplug_demo``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medplug.core.conformance.checks import Check, Fault, Named, Outcome, Skipped, outcomes
    from medplug.core.conformance.kit import plugin_checks
    from medplug.core.conformance.pytest_support import parametrize

_PLACES = {
    **dict.fromkeys(("Check", "Fault", "Named", "Outcome", "Skipped", "outcomes"), "medplug.core.conformance.checks"),
    "plugin_checks": "medplug.core.conformance.kit",
    "parametrize": "medplug.core.conformance.pytest_support",
}
__all__ = ["Check", "Fault", "Named", "Outcome", "Skipped", "outcomes", "parametrize", "plugin_checks"]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
