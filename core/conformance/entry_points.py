"""What the plugin's package declares of it: every name that it gives, and no other."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.conformance.checks import Named, Skipped, require
from medplug.core.conformance.subject import Subject
from medplug.core.installed import DECLARED, GROUP, Installed, installed


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
        found = [each for each in installed() if each.point.module == self.subject.module]
        if not found:
            raise Skipped(f"no installed package has an entry point to it in the group {GROUP!r}")
        if not any(each.declares for each in found):
            raise Skipped("its package declares no names; it is imported where a name is found nowhere else")
        for each in found:
            self._check(each)

    def _check(self, plugin: Installed) -> None:
        declared = {(kind, name) for kind, names in plugin.declares.items() for name in names}
        given = set(self._given())
        lacking = sorted(given - declared)
        lines = [f'[project.entry-points."{GROUP}.{kind}s"] {name} = "{plugin.point.value}"' for kind, name in lacking]
        require(
            not lacking,
            f"{plugin.distribution} declares other names, and not {_told(lacking)}: it is not found by this name "
            "unless something else imports it, so that a saved model cannot be loaded",
            f"add to pyproject.toml, and install it again: {'; '.join(lines)}",
        )
        stray = sorted(declared - given)
        require(
            not stray,
            f"{plugin.distribution} declares {_told(stray)}, and gives no such thing",
            "take it out of pyproject.toml, or give it",
        )

    def _given(self) -> Iterator[tuple[str, str]]:
        """The kind and name of each spec, and of what its registry names."""
        for kind, specs in self.subject.specs.items():
            yield from ((kind, spec.name) for spec in specs if kind in DECLARED)
        own = getattr(self.subject.plugin, "medplug_registry", None)
        if own is not None and (file := own()) is not None:
            from medplug.core.registry import read

            registry = read(file)
            yield from (("backbone", name) for name in registry.backbones)
            yield from (("recipe", name) for name in registry.recipes)


def _told(names: list[tuple[str, str]]) -> str:
    return ", ".join(f"the {kind} {name}" for kind, name in names)
