"""Discovery: who gives which task, backbone, adapter, fusion and observer.

Built-in plugins are asked first. Of installed third parties (`medplug.core.installed`) those
are imported that declare a name which the built-ins lack and, where none does, those that
declare nothing; each in isolation: one that fails is set aside and remembered, the others
still load. ``MEDPLUG_PLUGINS`` (unset: all; empty: none; or a comma-separated list of
entry-point names) and ``plugins.allow`` of the user's registry are applied before any import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pluggy

from medplug.core import hooks, registry
from medplug.core.errors import PluginError, RegistryError, UnknownNameError
from medplug.core.installed import Allowance, Installed, check_entry, installed
from medplug.core.plugin_answers import KINDS, answers, check_api, reason, specs_of
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, Spec, TaskSpec

ENVIRONMENT = "MEDPLUG_PLUGINS"
BUILT_IN = "medplug"
"""The distribution of the plugins that come with medplug itself."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that works: its name, the distribution it came in, and the names it gives.

    `signature` is the SHA-256 of the distribution's RECORD, None of built-ins and where there is none.
    """

    name: str
    distribution: str
    gives: tuple[str, ...]
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that was set aside, and why."""

    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution}): {self.reason}"


@dataclass(slots=True)
class _Catalogue:
    specs: dict[str, dict[str, Spec]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    disputed: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)


class Plugins:
    """The plugins of one run or one listing. An instance, so that two never share state.

    `user_registry` is the user's own registry file, if any. `found` replaces the
    installed entry points (tests, frozen applications).
    """

    def __init__(self, *, user_registry: Path | None = None, found: Iterable[EntryPoint] | None = None) -> None:
        self.loaded: list[Loaded] = []
        self.failures: list[Failure] = []
        self._found = found
        self._user_registry = user_registry
        self._catalogue = _Catalogue()
        self._registries: list[tuple[str, Path]] = []
        self._waiting: list[Installed] | None = None
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        for module in registry.read(registry.BUILT_IN, trusted=True).plugins.built_in:
            self._add(module.rpartition(".")[2], BUILT_IN, import_module(module))
        self._registry = registry.load(self._registries, user_registry)

    @property
    def registry(self) -> registry.Registry:
        """The catalogue of named backbones and recipes, as far as plugins were asked."""
        return self._registry

    def task(self, name: str) -> TaskSpec:
        """The task of that name; `UnknownNameError` else."""
        return self._get("task", name)  # type: ignore[return-value]

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone builder of that name; `UnknownNameError` else."""
        return self._get("backbone", name)  # type: ignore[return-value]

    def adapter(self, name: str) -> AdapterSpec:
        """The adapter of that name; `UnknownNameError` else."""
        return self._get("adapter", name)  # type: ignore[return-value]

    def fusion(self, name: str) -> FusionSpec:
        """The fusion of that name; `UnknownNameError` else."""
        return self._get("fusion", name)  # type: ignore[return-value]

    def observer(self, name: str) -> ObserverSpec:
        """The observer of that name; `UnknownNameError` else."""
        return self._get("observer", name)  # type: ignore[return-value]

    def imported(self) -> list[tuple[str, Any]]:
        """The plugins themselves that work, each by ``distribution:name``."""
        return self._manager.list_name_plugin()

    def all(self, kind: str) -> list[Spec]:
        """Every spec of a kind, built-ins first, third parties asked."""
        self.ask_third_parties()
        return list(self._catalogue.specs[kind].values())

    def declared(self, kind: str) -> dict[str, Installed]:
        """The names of a kind that plugins declare which were not imported yet."""
        return {name: each for each in self.not_imported() for name in each.declares.get(kind, ())}

    def known(self, kind: str) -> dict[str, Spec]:
        """The specs of a kind as far as plugins were asked."""
        return self._catalogue.specs[kind]

    def owner(self, kind: str, name: str) -> str:
        """The distribution that gives a name."""
        return self._catalogue.owners[kind, name]

    def _get(self, kind: str, name: str) -> Spec:
        specs = self._catalogue.specs[kind]
        if name not in specs:
            self.ask_for(name, kind)
        if (kind, name) in self._catalogue.disputed:
            first, second = self._catalogue.disputed[kind, name]
            raise PluginError(f"the {kind} {name!r} is given by both {first} and {second}; uninstall one of them")
        if name not in specs:
            known = {*specs, *self.declared(kind)}
            raise UnknownNameError(kind, name, known, [str(failure) for failure in self.failures])
        return specs[name]

    def has(self, kind: str, name: str) -> bool:
        """Whether a plugin that was asked, or the catalogue, gives this name (of a recipe too)."""
        of_registry = {"backbone": set(self._registry.backbones), "recipe": set(self._registry.recipes)}
        return name in self._catalogue.specs.get(kind, {}) or name in of_registry.get(kind, set())

    def ask_for(self, name: str, *kinds: str) -> None:
        """Import what declares a name of `kinds`; where none of it gives the name, all that declares nothing."""

        def declares(plugin: Installed) -> bool:
            return any(name in plugin.declares.get(kind, ()) for kind in kinds)

        self._ask([each for each in self.not_imported() if declares(each)])
        if not any(self.has(kind, name) for kind in kinds):
            self._ask([each for each in self.not_imported() if not each.declares])

    def admit(self, name: str, distribution: str, plugin: Any) -> None:
        """Take one more plugin, which is imported already; what is wrong with it is raised, and nothing of it stays."""
        self._add(name, distribution, plugin)
        self._registry = registry.load(self._registries, self._user_registry)

    def ask_third_parties(self) -> None:
        """Import the allowed third-party plugins, once, each in isolation."""
        self._ask(self.not_imported())

    def allowance(self) -> Allowance:
        """Who may be imported, as the environment and the user's registry say."""
        setting = os.environ.get(ENVIRONMENT)
        told = None if setting is None else [name.strip() for name in setting.split(",") if name.strip()]
        lists = {ENVIRONMENT: told, "plugins.allow of the registry": self._registry.plugins.allow}
        stated = {who: names for who, names in lists.items() if names is not None}
        return Allowance({who: [check_entry(each) for each in names] for who, names in stated.items()})

    def installed(self) -> list[Installed]:
        """Every installed third party, allowed or not, from metadata alone."""
        return installed(self._found)

    def not_imported(self) -> list[Installed]:
        """The allowed plugins that were not imported, as nothing of theirs was needed."""
        if self._waiting is None:
            found, allowed = self.installed(), self.allowance()
            self._waiting = [each for each in found if allowed.refusal(each) is None]
            for name, stated in allowed.absent(found):
                why = f"{stated} names it, but no such plugin is installed"
                self.failures.append(Failure(name, "not installed", why))
        return self._waiting

    def _ask(self, wanted: list[Installed]) -> None:
        for each in wanted:
            try:
                self._add(each.name, each.distribution, each.point.load(), each.signature)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything
                self.failures.append(Failure(each.name, each.distribution, reason(error)))
        if wanted:
            self._waiting = [each for each in self.not_imported() if each not in wanted]
            self._registry = registry.load(self._registries, self._user_registry)

    def _add(self, name: str, distribution: str, plugin: Any, signature: str | None = None) -> None:
        """Register one plugin and take its specs; on any fault nothing of it stays."""
        check_api(plugin)
        if self._manager.is_registered(plugin):
            raise PluginError(f"is the very module that {self._manager.get_name(plugin)} gives; state it once")
        try:
            self._manager.register(plugin, name=f"{distribution}:{name}")
            self._manager.check_pending()
            specs = {kind: specs_of(self._manager, plugin, kind) for kind in KINDS}
            file = next(iter(answers(self._manager, plugin, "medplug_registry")), None)
            if file is not None:
                self._check_registry(name, file, specs)
            self._claim(distribution, specs)
        except BaseException:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise
        if file is not None:
            self._registries.append((name, file))
        gives = tuple(f"{kind} {spec.name}" for kind, given in specs.items() for spec in given)
        self.loaded.append(Loaded(name, distribution, gives, signature))

    def _check_registry(self, name: str, file: Path, specs: Mapping[str, list[Spec]]) -> None:
        registry.load([*self._registries, (name, file)], self._user_registry)
        builders = {*self.known("backbone"), *(spec.name for spec in specs["backbone"])}
        twice = sorted(builders & set(registry.read(file).backbones))
        if twice:
            raise RegistryError(f"plugin {name}, {file}: backbones already named elsewhere: {', '.join(twice)}")

    def _claim(self, distribution: str, specs: Mapping[str, list[Spec]]) -> None:
        taken = self._catalogue
        for kind, given in specs.items():
            for spec in given:
                if [other.name for other in given].count(spec.name) > 1:
                    raise PluginError(f"gives the {kind} {spec.name!r} twice")
                if spec.name in taken.specs[kind]:
                    first = taken.owners[kind, spec.name]
                    if first != BUILT_IN:
                        taken.disputed[kind, spec.name] = (first, distribution)
                    raise PluginError(f"gives the {kind} {spec.name!r}, which {first} gives already")
        for kind, given in specs.items():
            for spec in given:
                taken.specs[kind][spec.name] = spec
                taken.owners[kind, spec.name] = distribution


__all__ = ["KINDS", "Failure", "Loaded", "Plugins", "RegistryError"]
