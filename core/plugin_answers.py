"""What one plugin answers to the hooks, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pluggy

from medplug.core.errors import PluginError
from medplug.core.specs import API_VERSION, AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, Spec, TaskSpec

KINDS: Mapping[str, tuple[str, type[Spec]]] = {
    "task": ("medplug_tasks", TaskSpec),
    "backbone": ("medplug_backbones", BackboneSpec),
    "adapter": ("medplug_adapters", AdapterSpec),
    "fusion": ("medplug_fusions", FusionSpec),
    "observer": ("medplug_observers", ObserverSpec),
}


def reason(error: BaseException) -> str:
    """What went wrong, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:299] + '…'}"


def check_api(plugin: Any) -> None:
    """Raise `PluginError` where a plugin states another version of the contract, or none."""
    stated = getattr(plugin, "medplug_api", None)
    if stated != API_VERSION:
        where = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
        raise PluginError(f"{where} states medplug_api = {stated!r}; this medplug speaks {API_VERSION}")


def answers(manager: pluggy.PluginManager, plugin: Any, hook: str) -> list[Any]:
    """What one plugin answers to one hook."""
    callers = manager.get_hookcallers(plugin) or []
    calls = [impl for caller in callers if caller.name == hook for impl in caller.get_hookimpls()]
    return [answer for impl in calls if impl.plugin is plugin and (answer := impl.function()) is not None]


def specs_of(manager: pluggy.PluginManager, plugin: Any, kind: str) -> list[Spec]:
    """The specs of a kind that one plugin gives; `PluginError` where it gives something else."""
    hook, spec_type = KINDS[kind]
    given = [spec for answer in answers(manager, plugin, hook) for spec in answer]
    for spec in given:
        if not isinstance(spec, spec_type):
            raise PluginError(f"{hook} gave a {type(spec).__name__}; it must give {spec_type.__name__}s")
    return given
