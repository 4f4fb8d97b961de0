"""The task `text_diagnosis`: a diagnosis (one, or several) from a clinical note."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task `text_diagnosis`."""
    return [
        TaskSpec(
            name="text_diagnosis",
            summary="Diagnose from clinical text: two classes, several, or several labels at once",
            factory="medplug.plugins.text_diagnosis.task:TextDiagnosis",
            config="medplug.plugins.text_diagnosis.options:TextDiagnosisOptions",
            data="medplug.plugins.text_diagnosis.options:TextDiagnosisData",
            modalities=("text",),
            targets=("binary", "multiclass", "multilabel"),
            recipe="text_diagnosis",
        )
    ]
