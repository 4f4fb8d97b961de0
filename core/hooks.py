"""The hooks that a plugin may implement, and the marker to do it with.

A plugin is a module (or any object) whose functions carry `hookimpl`::

    from medplug.core.hooks import hookimpl
    from medplug.core.specs import TaskSpec

    medplug_api = 1

    @hookimpl
    def medplug_tasks() -> list[TaskSpec]:
        return [TaskSpec(name="...", ...)]

Hooks return specs, which are data: nothing heavy is imported to answer one. Those of a run
(`medplug_run_started` and the three after it) are called while it goes on, on the main process,
and may take any of the arguments that stand here, by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pluggy

from medplug.core.observing import Epoch, FailedRun, FinishedRun, StartedRun
from medplug.core.specs import AdapterSpec, BackboneSpec, FusionSpec, ObserverSpec, TaskSpec

PROJECT = "medplug"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def medplug_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Give the tasks that this plugin adds."""


@hookspec
def medplug_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Give the backbones that this plugin adds."""


@hookspec
def medplug_adapters() -> Iterable[AdapterSpec]:  # type: ignore[empty-body]
    """Give the adapters that this plugin adds."""


@hookspec
def medplug_fusions() -> Iterable[FusionSpec]:  # type: ignore[empty-body]
    """Give the fusion layers that this plugin adds."""


@hookspec
def medplug_registry() -> Path | None:
    """Give a ``registry.yaml`` of the plugin's own, if it has one."""


@hookspec
def medplug_observers() -> Iterable[ObserverSpec]:  # type: ignore[empty-body]
    """Give the observers that this plugin adds, to be named by ``observers=NAME+NAME``."""


@hookspec
def medplug_run_started(run: StartedRun) -> None:
    """Note that a run has begun, before a row is read."""


@hookspec
def medplug_epoch_ended(run: StartedRun, epoch: Epoch) -> None:
    """Note the numbers of an epoch."""


@hookspec
def medplug_run_finished(run: StartedRun, result: FinishedRun) -> None:
    """Note that a run is finished; its folder is in place."""


@hookspec
def medplug_run_failed(run: StartedRun, failure: FailedRun) -> None:
    """Note that a run ended before it was finished."""
