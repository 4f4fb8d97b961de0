"""``medplug check``: the kit from the command line."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.conformance.checks import Outcome, outcomes
from medplug.core.conformance.kit import plugin_checks
from medplug.core.conformance.subject import located
from medplug.core.discovery.importing import imported

HEADER = ("check", "outcome", "reason", "fix")


def checked(name: str) -> Iterator[Outcome]:
    """The outcome of each check of the plugin that a module's name, an entry point's or a distribution's means.

    Failures that the module names in ``medplug_expected_failures`` (check -> reason) are expected.
    """
    for module in located(name):
        yield from outcomes(plugin_checks(module), _expected(module))


def _expected(module: str) -> dict[str, str]:
    try:
        return dict(getattr(imported(module), "medplug_expected_failures", {}))
    except (Exception, SystemExit):  # noqa: BLE001 - a check of its own says that the import fails
        return {}


def row(found: Outcome) -> tuple[str, str, str, str]:
    """An outcome as a row of a table."""
    return found.name, found.state, found.reason, found.fix


def counted(found: list[Outcome]) -> str:
    """``41 passed, 1 failed, 3 skipped``."""
    states = [each.state for each in found]
    return ", ".join(f"{states.count(state)} {state}" for state in ("passed", "failed", "skipped", "expected"))
