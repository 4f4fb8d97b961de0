"""The built-in adapters: ways for knowledge to move from a pretrained model to the target."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1

_HERE = "medplug.plugins.adapters"


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give the adapters."""
    return [
        AdapterSpec(
            name="linear_probe",
            summary="a logistic head on the features of the frozen backbone, its strength chosen on validation",
            family="model",
            answers=("prepare", "fit"),
            factory=f"{_HERE}.linear_probe:LinearProbe",
            config=f"{_HERE}.options:LinearProbeOptions",
        ),
        AdapterSpec(
            name="finetune",
            summary="every weight trained by gradient, the best epoch chosen on validation",
            family="model",
            answers=("prepare",),
            factory=f"{_HERE}.finetune:Finetune",
            config=f"{_HERE}.options:FinetuneOptions",
        ),
    ]
