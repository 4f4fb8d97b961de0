"""The adapter `bss`: batch spectral shrinkage, which takes from the features what does not transfer."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give the adapter."""
    return [
        AdapterSpec(
            name="bss",
            summary="the weakest directions of each batch's features shrunk (Chen et al., 2019)",
            family="model",
            answers=("penalty",),
            needs=("labels",),
            targets=("binary", "multiclass", "multilabel", "regression", "survival", "treatment"),
            factory="medplug_bss.method:SpectralShrinkage",
            config="medplug_bss.options:ShrinkageOptions",
        )
    ]
