"""Discovery: who gives which task, backbone, adapter, fusion and observer.

Built-in plugins are asked first. Of installed third parties (`medplug.core.discovery.installed`) those
are imported that declare a name which the built-ins lack and, where none does, those that
declare nothing; each in isolation: one that fails is set aside and remembered, the others
still load. ``MEDPLUG_PLUGINS`` (unset: all; empty: none; or a comma-separated list of
entry-point names) and ``plugins.allow`` of the user's registry are applied before any import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from time import perf_counter
from typing import Any

import pluggy

from medplug.core import hooks, registry
from medplug.core.discovery.answers import KINDS, check_api, check_hooks, check_values, registry_of, specs_of, unmarked
from medplug.core.discovery.claims import BUILT_IN, Claims
from medplug.core.discovery.findings import Finding, Loaded, changes, on_plugin, slowness, undeclared, why
from medplug.core.discovery.importing import contained
from medplug.core.discovery.installed import Allowance, Installed, check_entry, concerned, installed
from medplug.core.errors import PluginError, RegistryError, UnknownNameError
from medplug.core.registry import Registry
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, Spec, TaskSpec

ENVIRONMENT = "MEDPLUG_PLUGINS"


class Plugins:
    """The plugins of one run or one listing. An instance, so that two never share state.

    `user_registry` is the user's own registry file, if any. `found` replaces the
    installed entry points (tests, frozen applications). Plugins are `loaded`, or among the
    `failures` where they were set aside; `remarks` are what else was found wrong with one.
    """

    def __init__(self, *, user_registry: Path | None = None, found: Iterable[EntryPoint] | None = None) -> None:
        self.loaded: list[Loaded] = []
        self.failures: list[Finding] = []
        self.remarks: list[Finding] = []
        self._found = found
        self._user_registry = user_registry
        self._claims = Claims()
        self._registries: list[tuple[str, Path]] = []
        self._waiting: list[Installed] | None = None
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        for module in registry.read(registry.BUILT_IN, trusted=True).plugins.built_in:
            self._add(Loaded(module.rpartition(".")[2], BUILT_IN, ()), import_module(module))
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
        return list(self._claims.specs[kind].values())

    def declared(self, kind: str) -> dict[str, Installed]:
        """The names of a kind that plugins declare which were not imported yet."""
        return {name: each for each in self.not_imported() for name in each.declares.get(kind, ())}

    def known(self, kind: str) -> dict[str, Spec]:
        """The specs of a kind as far as plugins were asked."""
        return self._claims.specs[kind]

    def owner(self, kind: str, name: str) -> str:
        """The distribution that gives a name."""
        return self._claims.owners[kind, name]

    def _get(self, kind: str, name: str) -> Spec:
        specs = self._claims.specs[kind]
        if name not in specs:
            self.ask_for(name, kind)
        self._claims.check_undisputed(kind, name)
        if name not in specs:
            known = {*specs, *self.declared(kind)}
            raise UnknownNameError(kind, name, known, self.told(kind, name))
        return specs[name]

    def slow(self) -> list[Finding]:
        """The plugins that took long to import."""
        return [each for each in self.remarks if each.slow]

    def told(self, kind: str, name: str) -> list[str]:
        """What was found wrong with plugins which may be why a name is given by none, a line each."""
        of_it = [each for each in self.remarks if f"the {kind} {name}," in each.reason]
        return [str(each) for each in (*self.failures, *of_it, *self._forbidden(kind, name))]

    def _forbidden(self, kind: str, name: str) -> Iterator[Finding]:
        """The installed plugins that declare a name and may not be imported, with the list that keeps them out."""
        allowed = self.allowance()
        for each in self.installed():
            reason = allowed.refusal(each) if name in each.declares.get(kind, ()) else None
            if reason is not None:
                yield on_plugin(each, f"may not be imported: {reason}", "")

    def has(self, kind: str, name: str) -> bool:
        """Whether a plugin that was asked, or the catalogue, gives this name (of a recipe too)."""
        of_registry = {"backbone": set(self._registry.backbones), "recipe": set(self._registry.recipes)}
        return name in self._claims.specs.get(kind, {}) or name in of_registry.get(kind, set())

    def ask_for(self, name: str, *kinds: str) -> None:
        """Import what declares a name of `kinds`; where none of it gives the name, all that declares nothing."""

        def declares(plugin: Installed) -> bool:
            return any(name in plugin.declares.get(kind, ()) for kind in kinds)

        self._ask([each for each in self.not_imported() if declares(each)])
        if not any(self.has(kind, name) for kind in kinds):
            self._ask([each for each in self.not_imported() if not each.declares])

    def admit(self, name: str, distribution: str, plugin: Any) -> None:
        """Take one more plugin, which is imported already; what is wrong with it is raised, and nothing of it stays."""
        self._add(Loaded(name, distribution, ()), plugin)
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

    def check_allowed(self, one: Installed) -> None:
        """Raise `PluginError` where a plugin may not be imported, or is pinned and its files are others."""
        allowed, what = self.allowance(), f"{one.name} ({one.distribution})"
        if (reason := allowed.refusal(one)) is not None:
            raise PluginError(f"{what} may not be imported: {reason}", "allow it there, once you trust it")
        if allowed.pins(one):
            one.check_files()

    def installed(self) -> list[Installed]:
        """Every installed third party, allowed or not, from metadata alone."""
        return installed(self._found)

    def distributions(self) -> Iterator[Distribution]:
        """The installed distributions that say anything to medplug, rightly or wrongly."""
        return concerned(self._found)

    def not_imported(self) -> list[Installed]:
        """The allowed plugins that were not imported, as nothing of theirs was needed."""
        if self._waiting is None:
            found, allowed = self.installed(), self.allowance()
            self._waiting = [each for each in found if allowed.refusal(each) is None]
            for name, stated in allowed.absent(found):
                reason, fix = f"{stated} names it, but no such plugin is installed", "install it, or take it off there"
                self.failures.append(Finding(name, "not installed", reason, fix))
        return self._waiting

    def _ask(self, wanted: list[Installed]) -> None:
        for each in wanted:
            self._take(each)
        if wanted:
            self._waiting = [each for each in self.not_imported() if each not in wanted]
            self._registry = registry.load(self._registries, self._user_registry)

    def _take(self, one: Installed) -> None:
        """Import one plugin and take what it gives, with remarks; on any fault it is set aside."""
        began, before = perf_counter(), set(sys.modules)
        changed: list[str] = []
        try:
            self.check_allowed(one)
            with contained() as changed:
                plugin = one.load()
                known = Loaded(one.name, one.distribution, (), one.signature, one.point.value)
                given = self._add(known, plugin, stranger=True)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a stranger's import may raise anything, pytest's exits too
            self.failures.append(on_plugin(one, *why(error, one.module)))
        else:
            self.remarks += [on_plugin(one, *told) for told in unmarked(self._manager, plugin)]
            self.remarks += undeclared(one, given.gives)
        self.remarks += [*changes(one, changed), *slowness(one, perf_counter() - began, before)]

    def _add(self, known: Loaded, plugin: Any, *, stranger: bool = False) -> Loaded:
        """Register one plugin and take its specs, a stranger's read closely; on any fault nothing of it stays."""
        check_api(plugin)
        if self._manager.is_registered(plugin):
            raise PluginError(
                f"is the very module that {self._manager.get_name(plugin)} gives", "its author: state it once"
            )
        check_hooks(self._manager, plugin)
        try:
            self._manager.register(plugin, name=f"{known.distribution}:{known.name}")
            specs = {kind: specs_of(self._manager, plugin, kind) for kind in KINDS}
            for kind, spec in ((kind, spec) for kind, each in specs.items() for spec in each if stranger):
                check_values(kind, spec)
            file = registry_of(self._manager, plugin)
            named = None if file is None else self._check_registry(known.name, file, specs)
            self._claims.claim(known.distribution, specs)
        except BaseException:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise
        if file is not None:
            self._registries.append((known.name, file))
        gives = [f"{kind} {spec.name}" for kind, given in specs.items() for spec in given]
        if named is not None:
            gives += [*(f"backbone {name}" for name in named.backbones), *(f"recipe {name}" for name in named.recipes)]
        self.loaded.append(replace(known, gives=tuple(gives)))
        return self.loaded[-1]

    def _check_registry(self, name: str, file: Path, specs: Mapping[str, list[Spec]]) -> Registry:
        registry.load([*self._registries, (name, file)], self._user_registry)
        builders = {*self.known("backbone"), *(spec.name for spec in specs["backbone"])}
        own = registry.read(file)
        if twice := sorted(builders & set(own.backbones)):
            raise RegistryError(f"plugin {name}, {file}: backbones already named elsewhere: {', '.join(twice)}")
        return own
