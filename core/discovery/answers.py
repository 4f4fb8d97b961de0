"""What one plugin answers to the hooks, and what is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from pydantic import TypeAdapter, ValidationError

from medplug.core.discovery.findings import why
from medplug.core.errors import PluginError, did_you_mean
from medplug.core.specs import API_VERSION, AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, Spec, TaskSpec

KINDS: Mapping[str, tuple[str, type[Spec]]] = {
    "task": ("medplug_tasks", TaskSpec),
    "backbone": ("medplug_backbones", BackboneSpec),
    "adapter": ("medplug_adapters", AdapterSpec),
    "fusion": ("medplug_fusions", FusionSpec),
    "observer": ("medplug_observers", ObserverSpec),
}
_PREFIX = "medplug_"


def check_api(plugin: Any) -> None:
    """Raise `PluginError` where a plugin states another version of the contract, or none."""
    stated = getattr(plugin, "medplug_api", None)
    if stated == API_VERSION:
        return
    where = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
    fix = f"its author: write medplug_api = {API_VERSION} in {where}"
    if isinstance(stated, int):
        old = "medplug" if stated > API_VERSION else "the plugin's package"
        fix = f"{old} is the older of the two: pip install --upgrade it"
    raise PluginError(f"{where} states medplug_api = {stated!r}; this medplug speaks {API_VERSION}", fix)


def check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Raise `PluginError` where a hook's name or parameters are not medplug's."""
    hooks = _hooks(manager)
    for name, function, options in _members(manager, plugin):
        if options is None or options.get("optionalhook"):
            continue
        hook = options.get("specname") or name
        if hook not in hooks:
            close = did_you_mean(hook, hooks)
            raise PluginError(f"unknown hook {hook!r}{close}", f"its author: rename it (hooks: {', '.join(hooks)})")
        takes = [each.name for each in inspect.signature(function).parameters.values() if _must_be_given(each)]
        if extra := [each for each in takes if each not in hooks[hook]]:
            what = f"{hook}({', '.join(takes)}) asks for {', '.join(extra)}, which medplug does not give"
            raise PluginError(what, f"its author: write it as def {hook}({', '.join(hooks[hook])})")


def unmarked(manager: pluggy.PluginManager, plugin: Any) -> Iterator[tuple[str, str]]:
    """What is wrong, and the fix, of functions that look like hooks and are none."""
    for name, function, options in _members(manager, plugin):
        home = plugin.__name__ if isinstance(plugin, ModuleType) else function.__module__
        if options is None and name.startswith(_PREFIX) and function.__module__ == home:
            hooks = _hooks(manager)
            mark = "its author: from medplug.core.hooks import hookimpl, and @hookimpl before it"
            fix = mark if name in hooks else f"{mark}, if it is one{did_you_mean(name, hooks)}; else name it otherwise"
            yield f"{name} has no @hookimpl, so that it is never called", fix


def _hooks(manager: pluggy.PluginManager) -> dict[str, tuple[str, ...]]:
    """The hooks, each with the names of what it is given."""
    callers = {name: caller for name, caller in vars(manager.hook).items() if name.startswith(_PREFIX)}
    return {name: caller.spec.argnames for name, caller in callers.items() if caller.spec is not None}


def _members(manager: pluggy.PluginManager, plugin: Any) -> Iterator[tuple[str, Any, Any]]:
    """The plugin's functions, each with its name and, where it is marked, the options of the mark."""
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        function = inspect.getattr_static(plugin, name, None)
        if options is not None or inspect.isfunction(function):
            yield name, getattr(plugin, name), options


def _must_be_given(parameter: inspect.Parameter) -> bool:
    named = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return named and parameter.default is parameter.empty


def answers(manager: pluggy.PluginManager, plugin: Any, hook: str) -> list[Any]:
    """What one plugin answers to one hook, lists told in full; `PluginError` where it raises."""
    callers = manager.get_hookcallers(plugin) or []
    calls = [impl for caller in callers if caller.name == hook for impl in caller.get_hookimpls()]
    return [_called(hook, impl.function) for impl in calls if impl.plugin is plugin]


def _called(hook: str, function: Any) -> Any:
    try:
        answer = function()
        return list(answer) if inspect.isgenerator(answer) else answer
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a stranger's code may raise anything
        step = f'tell its author; see it whole with: python -c "import {function.__module__} as it; it.{hook}()"'
        raise PluginError(f"{hook} raises {why(error, function.__module__)[0]}", step) from error


def specs_of(manager: pluggy.PluginManager, plugin: Any, kind: str) -> list[Spec]:
    """The specs of a kind that one plugin gives; `PluginError` where it gives something else."""
    hook, spec_type = KINDS[kind]
    fix = f"its author: return a list of {spec_type.__name__} from {hook}"
    given: list[Spec] = []
    for answer in answers(manager, plugin, hook):
        if inspect.iscoroutine(answer):
            answer.close()
        if answer is not None and (not isinstance(answer, Iterable) or isinstance(answer, str | bytes | Mapping)):
            raise PluginError(
                f"{hook} gave a {type(answer).__name__}; it must give a list of {spec_type.__name__}s", fix
            )
        given += () if answer is None else answer
    for spec in given:
        if not isinstance(spec, spec_type):
            raise PluginError(f"{hook} gave a {type(spec).__name__}; it must give {spec_type.__name__}s", fix)
    return given


def registry_of(manager: pluggy.PluginManager, plugin: Any) -> Path | None:
    """The registry file that one plugin brings; `PluginError` where it gives something else."""
    given = [answer for answer in answers(manager, plugin, "medplug_registry") if answer is not None]
    if given and not isinstance(given[0], Path):
        what = f"medplug_registry gave a {type(given[0]).__name__}; it must give a pathlib.Path"
        raise PluginError(what, 'its author: return Path(__file__).with_name("registry.yaml")')
    return given[0] if given else None


def check_values(kind: str, spec: Spec) -> None:
    """Raise `PluginError` where a field of a spec holds what the contract does not know."""
    try:
        _values(kind).validate_python(asdict(spec))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        what = f"the {kind} {spec.name!r}: {place}: {first['msg']}; got {first['input']!r}"
        raise PluginError(what, "its author: see medplug.core.specs") from None


@cache
def _values(kind: str) -> TypeAdapter[Spec]:
    return TypeAdapter(KINDS[kind][1])
