"""What the plugin's package declares of it: every name that it gives, and no other."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.conformance.checks import Fault, Named, Skipped
from medplug.core.conformance.subject import Subject
from medplug.core.discovery.findings import undeclared
from medplug.core.discovery.installed import GROUP, installed


class EntryPointChecks:
    """The check of what the packages that bring the plugin declare."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def checks(self) -> Iterator[Named]:
        """That of every plugin that the core takes."""
        if not self.subject.problem:
            yield "plugin:declared", self.declared

    def declared(self) -> None:
        """A package that declares names declares all that the plugin gives, of its registry too, and gives them all.

        What is not declared is asked of other packages alone: a saved model, say, asks for the
        spec that loads its weights, whatever name the run gave.
        """
        found = [each for each in installed() if each.module == self.subject.module]
        if not found:
            raise Skipped(f"no installed package has an entry point to it in the group {GROUP!r}")
        if not any(each.declares for each in found):
            raise Skipped("its package declares no names; it is imported where a name is found nowhere else")
        gives = self.subject.plugins.loaded[-1].gives
        if wrong := [finding for each in found for finding in undeclared(each, gives)]:
            fixes = [finding.fix.removeprefix("its author: ") for finding in wrong]
            raise Fault("; ".join(finding.reason for finding in wrong), "; ".join([*fixes, "and install it again"]))
