"""Discovery: who gives which task, backbone, adapter and fusion.

Built-in plugins are asked first. Installed third parties (entry-point group
``medplug``) are imported only when a name is not found among the built-ins or a
listing is asked for, each in isolation: one that fails is set aside and
remembered, the others still load. ``MEDPLUG_PLUGINS`` (unset: all; empty: none;
or a comma-separated list of entry-point names) is applied before any import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from medplug.core import hooks, registry
from medplug.core.errors import PluginError, RegistryError, UnknownNameError
from medplug.core.specs import API_VERSION, AdapterSpec, BackboneSpec, FusionSpec, Spec, TaskSpec

ENVIRONMENT = "MEDPLUG_PLUGINS"
GROUP = "medplug"
KINDS: Mapping[str, tuple[str, type[Spec]]] = {
    "task": ("medplug_tasks", TaskSpec),
    "backbone": ("medplug_backbones", BackboneSpec),
    "adapter": ("medplug_adapters", AdapterSpec),
    "fusion": ("medplug_fusions", FusionSpec),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that works: its name, the distribution it came in, and the names it gives."""

    name: str
    distribution: str
    gives: tuple[str, ...]


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
        self._third_parties_asked = False
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        for module in registry.read(registry.BUILT_IN, trusted=True).plugins.built_in:
            self._add(module.rpartition(".")[2], "medplug", import_module(module))
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

    def all(self, kind: str) -> list[Spec]:
        """Every spec of a kind, built-ins first, third parties asked."""
        self.ask_third_parties()
        return list(self._catalogue.specs[kind].values())

    def known(self, kind: str) -> dict[str, Spec]:
        """The specs of a kind as far as plugins were asked."""
        return self._catalogue.specs[kind]

    def owner(self, kind: str, name: str) -> str:
        """The distribution that gives a name."""
        return self._catalogue.owners[kind, name]

    def _get(self, kind: str, name: str) -> Spec:
        specs = self._catalogue.specs[kind]
        if name not in specs:
            self.ask_third_parties()
        if (kind, name) in self._catalogue.disputed:
            first, second = self._catalogue.disputed[kind, name]
            raise PluginError(f"the {kind} {name!r} is given by both {first} and {second}; uninstall one of them")
        if name not in specs:
            raise UnknownNameError(kind, name, specs, [str(failure) for failure in self.failures])
        return specs[name]

    def admit(self, name: str, distribution: str, plugin: Any) -> None:
        """Take one more plugin, which is imported already; what is wrong with it is raised, and nothing of it stays."""
        self._add(name, distribution, plugin)
        self._registry = registry.load(self._registries, self._user_registry)

    def ask_third_parties(self) -> None:
        """Import the allowed third-party plugins, once, each in isolation."""
        if self._third_parties_asked:
            return
        self._third_parties_asked = True
        for point in self._allowed():
            distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
            try:
                self._add(point.name, distribution, point.load())
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything
                self.failures.append(Failure(point.name, distribution, _reason(error)))
        self._registry = registry.load(self._registries, self._user_registry)

    def _allowed(self) -> Iterator[EntryPoint]:
        found = list(entry_points(group=GROUP) if self._found is None else self._found)
        setting = os.environ.get(ENVIRONMENT)
        allowed = None if setting is None else {name.strip() for name in setting.split(",") if name.strip()}
        for point in sorted(found, key=lambda p: p.name):
            if allowed is None or point.name in allowed:
                yield point
        for name in sorted((allowed or set()) - {point.name for point in found}):
            self.failures.append(
                Failure(name, "not installed", f"{ENVIRONMENT} names it, but no such plugin is installed")
            )

    def _add(self, name: str, distribution: str, plugin: Any) -> None:
        """Register one plugin and take its specs; on any fault nothing of it stays."""
        _check_api(plugin)
        if self._manager.is_registered(plugin):
            raise PluginError(f"is the very module that {self._manager.get_name(plugin)} gives; state it once")
        try:
            self._manager.register(plugin, name=f"{distribution}:{name}")
            self._manager.check_pending()
            specs = {kind: _specs(self._manager, plugin, kind) for kind in KINDS}
            file = next(iter(_answers(self._manager, plugin, "medplug_registry")), None)
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
        self.loaded.append(Loaded(name, distribution, gives))

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
                    if first != "medplug":
                        taken.disputed[kind, spec.name] = (first, distribution)
                    raise PluginError(f"gives the {kind} {spec.name!r}, which {first} gives already")
        for kind, given in specs.items():
            for spec in given:
                taken.specs[kind][spec.name] = spec
                taken.owners[kind, spec.name] = distribution


def _reason(error: BaseException) -> str:
    """What went wrong, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:299] + '…'}"


def _check_api(plugin: Any) -> None:
    stated = getattr(plugin, "medplug_api", None)
    if stated != API_VERSION:
        where = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
        raise PluginError(f"{where} states medplug_api = {stated!r}; this medplug speaks {API_VERSION}")


def _answers(manager: pluggy.PluginManager, plugin: Any, hook: str) -> list[Any]:
    """What one plugin answers to one hook."""
    callers = manager.get_hookcallers(plugin) or []
    calls = [impl for caller in callers if caller.name == hook for impl in caller.get_hookimpls()]
    return [answer for impl in calls if impl.plugin is plugin and (answer := impl.function()) is not None]


def _specs(manager: pluggy.PluginManager, plugin: Any, kind: str) -> list[Spec]:
    hook, spec_type = KINDS[kind]
    given = [spec for answer in _answers(manager, plugin, hook) for spec in answer]
    for spec in given:
        if not isinstance(spec, spec_type):
            raise PluginError(f"{hook} gave a {type(spec).__name__}; it must give {spec_type.__name__}s")
    return given


__all__ = ["KINDS", "Failure", "Loaded", "Plugins", "RegistryError"]
