"""Which plugin gives which name: each name belongs to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medplug.core.discovery.answers import KINDS
from medplug.core.errors import PluginError
from medplug.core.specs import Spec

BUILT_IN = "medplug"
"""The distribution of the plugins that come with medplug itself."""


@dataclass(slots=True)
class Claims:
    """The specs by kind and name, who gives each, and of which two give the same."""

    specs: dict[str, dict[str, Spec]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    disputed: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def claim(self, distribution: str, specs: Mapping[str, list[Spec]]) -> None:
        """Take a plugin's specs, all or, where one has a name that is taken, none (`PluginError`)."""
        for kind, given in specs.items():
            for spec in given:
                if [other.name for other in given].count(spec.name) > 1:
                    raise PluginError(f"gives the {kind} {spec.name!r} twice", "its author: give each name once")
                if spec.name in self.specs[kind]:
                    self._dispute(kind, spec.name, distribution)
        for kind, given in specs.items():
            for spec in given:
                self.specs[kind][spec.name] = spec
                self.owners[kind, spec.name] = distribution

    def _dispute(self, kind: str, name: str, distribution: str) -> None:
        first = self.owners[kind, name]
        fix = "its author: call it otherwise; what comes with medplug cannot be replaced"
        if first != BUILT_IN:
            self.disputed[kind, name] = (first, distribution)
            fix = f"uninstall one of the two; until then neither {kind} can be used"
        raise PluginError(f"gives the {kind} {name!r}, which {first} gives already", fix)

    def check_undisputed(self, kind: str, name: str) -> None:
        """Raise `PluginError` where two plugins give a name."""
        if (kind, name) in self.disputed:
            first, second = self.disputed[kind, name]
            raise PluginError(f"the {kind} {name!r} is given by both {first} and {second}; uninstall one of them")
