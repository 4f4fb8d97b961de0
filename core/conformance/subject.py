"""The plugin that is checked: where it is found by its name, and what it declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from medplug.core.conformance.checks import Skipped
from medplug.core.discovery.answers import KINDS
from medplug.core.discovery.findings import why
from medplug.core.discovery.importing import imported
from medplug.core.discovery.installed import GROUP
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import PluginError, did_you_mean
from medplug.core.registry import Source
from medplug.core.specs import Spec, resolve


@dataclass(slots=True)
class Subject:
    """A plugin beside the built-in ones, and what the checks may use of it.

    `options` are those of a spec by its name, where its defaults are large or it has
    none; `sources` the weights of a pretrained backbone by the spec's name. `problem`
    says why the core would set the plugin aside, and `fix` what to do; it declares nothing then.
    """

    plugin: Any
    plugins: Plugins
    problem: str = ""
    fix: str = ""
    specs: Mapping[str, list[Spec]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plugin: Any,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        sources: Mapping[str, Path] | None = None,
    ) -> Subject:
        """Ask a plugin (a module, its dotted name, or any object with hooks) what it declares, as the core does."""
        given = options or {}, sources or {}
        plugins = Plugins(found=())
        try:
            plugin = imported(plugin) if isinstance(plugin, str) else plugin
            declared = _declared(plugin, plugins)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything
            module = plugin if isinstance(plugin, str) else getattr(plugin, "__name__", "")
            return cls(plugin, plugins, *why(error, module), {}, *given)
        return cls(plugin, plugins, "", "", declared, *given)

    @property
    def module(self) -> str | None:
        """The dotted name that a fresh Python can import it by; None for an object."""
        if isinstance(self.plugin, str):
            return self.plugin
        return self.plugin.__name__ if isinstance(self.plugin, ModuleType) else None

    def made_options(self, spec: Spec) -> Any:
        """The options that `spec` is checked with; `Skipped` where some have no default and none were given."""
        from pydantic import ValidationError

        model = resolve(spec.config, owner=spec.name)
        given = self.options.get(spec.name, {})
        try:
            return model.model_validate(dict(given))
        except ValidationError as error:
            missing = [each["loc"][0] for each in error.errors() if each["type"] == "missing"]
            if missing and not given:
                names = ", ".join(map(str, missing))
                raise Skipped(f"{names} has no default: give plugin_checks options={{{spec.name!r}: ...}}") from None
            raise

    def source(self, spec: Spec) -> Source:
        """Weights of a pretrained backbone that are on this machine; `Skipped` where none are: the kit fetches none."""
        if spec.name in self.sources:
            return Source(path=self.sources[spec.name])
        for entry in self.plugins.registry.backbones.values():
            if entry.builder != spec.name:
                continue
            if entry.path is not None and entry.path.exists():
                return Source(path=entry.path)
            if entry.package is not None and find_spec(entry.package.partition(":")[0].partition(".")[0]):
                return Source(package=entry.package)
        raise Skipped(
            f"no weights on this machine: give plugin_checks sources={{{spec.name!r}: PATH}}, or name a folder or a "
            "package in the plugin's registry.yaml"
        )


def _declared(plugin: Any, plugins: Plugins) -> dict[str, list[Spec]]:
    name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
    short = name.rpartition(".")[2]
    built_in = [each for each in plugins.loaded if each.name == short] if name.startswith("medplug.plugins.") else []
    if not built_in:
        plugins.admit(short, "the plugin under check", plugin)
        built_in = plugins.loaded[-1:]
    given = [each.split(" ", 1) for each in built_in[0].gives]
    return {
        kind: [plugins.known(kind)[name] for own, name in given if own == kind and name in plugins.known(kind)]
        for kind in KINDS
    }


def located(name: str, found: Iterable[EntryPoint] | None = None) -> list[str]:
    """The modules that a module's name, an entry point's or a distribution's means.

    `found` replaces the installed entry points. Raises `PluginError` where it means none, and where what
    it means may not be imported.
    """
    points = list(entry_points(group=GROUP) if found is None else found)
    plugins = Plugins(found=points)
    _check_allowed([name], plugins)  # before it is looked for, as that imports the packages around a module
    modules = _meant(name, points)
    _check_allowed(modules, plugins)
    return modules


def _meant(name: str, points: Sequence[EntryPoint]) -> list[str]:
    exact = [point.module for point in points if point.name == name]
    of_distribution = [p.module for p in points if p.dist is not None and _plain(p.dist.name) == _plain(name)]
    if exact or of_distribution:
        return list(dict.fromkeys(exact or of_distribution))
    if re.fullmatch(r"\w+(\.\w+)*", name) and _importable(name):
        return [name]
    known = {point.name for point in points} | {point.dist.name for point in points if point.dist is not None}
    raise PluginError(
        f"no module, plugin or distribution is called {name!r}{did_you_mean(name, known)}\n"
        f"installed plugins: {', '.join(sorted(known)) or 'none'}\n"
        "install the package (pip install -e .), or give the name of a module that Python can import"
    )


def _check_allowed(modules: Iterable[str], plugins: Plugins) -> None:
    """Raise `PluginError` where one is of the package of an installed plugin that may not be imported."""
    packages = {module.partition(".")[0] for module in modules}
    for each in plugins.installed():
        if each.module.partition(".")[0] in packages:
            plugins.check_allowed(each)


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _plain(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
