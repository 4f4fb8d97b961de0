"""The task `note_survival`: the time to an event, such as a readmission, from a clinical note."""

from __future__ import annotations

from pathlib import Path

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task."""
    return [
        TaskSpec(
            name="note_survival",
            summary="From a clinical note, the time to an event (a readmission, say) of patients followed up",
            factory="medplug_note_survival.task:NoteSurvival",
            config="medplug_note_survival.options:NoteSurvivalOptions",
            data="medplug_note_survival.options:NoteSurvivalData",
            modalities=("text",),
            targets=("survival",),
            recipe="note_survival",
        )
    ]


@hookimpl
def medplug_registry() -> Path:
    """Give the recipes."""
    return Path(__file__).with_name("registry.yaml")
