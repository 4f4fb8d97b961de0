"""Who watches a run: the observers that its keys name, and imported plugins that have hooks of a run themselves.

Each is told by itself, on the main process, and draws at random from a state of its own. One that fails
is told of once and left out from there on: no run ends, or comes out otherwise, for its sake.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pluggy
from pydantic import BaseModel

from medplug.core import hooks
from medplug.core.discovery.findings import why
from medplug.core.discovery.plugins import Plugins
from medplug.core.errors import MedplugError, PluginError, PluginWarning
from medplug.core.folder import Events, RunFolder
from medplug.core.manifest import versions
from medplug.core.observing import Epoch, FailedRun, FinishedRun, StartedRun
from medplug.core.plan import Plan
from medplug.core.specs import ObserverSpec, resolve
from medplug.core.training.seeds import seeded

HOOKS = ("medplug_run_started", "medplug_epoch_ended", "medplug_run_finished", "medplug_run_failed")
"""The hooks of a run, in the order in which they are called."""


class Observers:
    """The observers of one run; none until `open`. `dropped` says of those that failed where and why."""

    def __init__(self) -> None:
        self.dropped: dict[str, str] = {}
        self._manager = new_manager()
        self._run: StartedRun | None = None
        self._events = Events(None)

    def open(self, plan: Plan, plugins: Plugins) -> None:
        """Make those that the plan names; `MedplugError` where one cannot be made, or lacks a package that it needs."""
        for name, plugin in plugins.imported():
            self._manager.register(plugin, name)
            if not _watches(self._manager, plugin):
                self._manager.unregister(plugin)
        for spec, options in plan.observers:
            admit(self._manager, spec.name, made(spec, options))

    @property
    def names(self) -> list[str]:
        """Those that are told, by their names; of a plugin itself ``distribution:name``."""
        return [name for name, _ in self._manager.list_name_plugin()]

    def started(self, plan: Plan, folder: RunFolder, data: Mapping[str, str], events: Events) -> None:
        """Tell them what begins: the plan, its folder, the SHA-256 of its tables; `events` is the run's diary."""
        self._events = events
        keys = {key: value for key, value, _ in plan.settings()}
        known = (plan.task.name, keys, dict(plan.origins), folder.path.resolve(), dict(data), versions())
        self._run = StartedRun(*known, resumed=folder.resumed)
        self._tell("medplug_run_started")

    def epoch(self, facts: Mapping[str, float]) -> None:
        """Tell them an epoch's numbers."""
        numbers = dict(facts)
        number, member = numbers.pop("epoch"), numbers.pop("member", None)
        self._tell("medplug_epoch_ended", epoch=Epoch(number, numbers, None if member is None else int(member)))

    def finished(self, folder: Path, metrics: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
        """Tell them that the run's folder is in place, with its numbers and how long each stage took."""
        self._events = Events(folder / "events.jsonl")
        result = FinishedRun(folder.resolve(), deepcopy(dict(metrics)), dict(seconds))
        self._tell("medplug_run_finished", result=result)

    def failed(self, error: BaseException) -> None:
        """Tell them that the run ended before it was finished."""
        message = str(error) if isinstance(error, MedplugError) else ""
        self._events = Events(None)  # there may be no folder any more
        stopped = isinstance(error, KeyboardInterrupt)
        self._tell("medplug_run_failed", failure=FailedRun(type(error).__name__, message, stopped))

    def _tell(self, hook: str, **facts: Any) -> None:
        if self._run is None:
            return
        everyone = self._manager.list_name_plugin()
        for name, plugin in everyone:
            others = [each for _, each in everyone if each is not plugin]
            try:
                with seeded(int.from_bytes(os.urandom(4))):
                    self._manager.subset_hook_caller(hook, others)(run=self._run, **facts)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything
                self._drop(name, plugin, hook, error)

    def _drop(self, name: str, plugin: Any, hook: str, error: BaseException) -> None:
        self._manager.unregister(plugin)
        self.dropped[name] = f"{hook}: {why(error)[0]}"
        self._events.write("observer dropped", observer=name, reason=self.dropped[name])
        with suppress(PluginWarning):  # where warnings are errors, too, the run goes on
            told = f"observer {name} failed and is told nothing more; the run goes on ({self.dropped[name]})"
            warnings.warn(told, PluginWarning, stacklevel=2)


def made(spec: ObserverSpec, options: BaseModel) -> Any:
    """The observer of a spec; `PluginError` where its factory fails otherwise than by an error of medplug's."""
    factory = resolve(spec.factory, owner=f"observer {spec.name}")
    try:
        return factory(options)
    except MedplugError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        raise PluginError(f"observer {spec.name}: cannot be made: {why(error)[0]}") from error


def new_manager() -> pluggy.PluginManager:
    """One that knows the hooks, and nobody who has them."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def admit(manager: pluggy.PluginManager, name: str, observer: Any) -> None:
    """Let an object be told by its hooks of a run; `PluginError` where it has none, or others than there are."""
    try:
        manager.register(observer, name)
        manager.check_pending()
    except (ValueError, pluggy.PluginValidationError) as error:
        raise PluginError(f"observer {name}: {' '.join(str(error).split())}") from None
    if not _watches(manager, observer):
        raise PluginError(f"observer {name}: it has none of {', '.join(HOOKS)} (marked with hookimpl)")


def _watches(manager: pluggy.PluginManager, plugin: Any) -> bool:
    return any(caller.name in HOOKS for caller in manager.get_hookcallers(plugin) or ())
