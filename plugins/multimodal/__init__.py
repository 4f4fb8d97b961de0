"""The task `multimodal_diagnosis`: a diagnosis from a note, an image, values, a signal, genes, or any of them."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task `multimodal_diagnosis`."""
    return [
        TaskSpec(
            name="multimodal_diagnosis",
            summary="Diagnose from a note, an image, a row of values, a signal, genes; any of them may be missing",
            factory="medplug.plugins.multimodal.task:MultimodalDiagnosis",
            config="medplug.plugins.multimodal.options:MultimodalOptions",
            data="medplug.plugins.multimodal.options:MultimodalData",
            modalities=("text", "image", "tabular", "signal"),
            slots={"text": "text", "image": "image", "tabular": "tabular", "signal": "signal", "genes": "tabular"},
            targets=("binary", "multiclass", "multilabel", "regression", "survival", "treatment"),
            recipe="multimodal",
        )
    ]
