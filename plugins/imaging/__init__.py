"""The task `imaging`: a diagnosis from an image, or the outline of a lesion in it."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task `imaging`."""
    return [
        TaskSpec(
            name="imaging",
            summary="Diagnose from radiographs, ultrasound, CT, MRI or microscopy, or outline the lesions in them",
            factory="medplug.plugins.imaging.task:Imaging",
            config="medplug.plugins.imaging.options:ImagingOptions",
            data="medplug.plugins.imaging.options:ImagingData",
            augment="medplug.core.images.augment_options:AugmentOptions",
            modalities=("image",),
            targets=("binary", "multiclass", "multilabel", "regression", "mask"),
            recipe="imaging",
        )
    ]
