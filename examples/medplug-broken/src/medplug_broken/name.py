"""Broken: its adapter has the name of one that comes with medplug."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give an adapter in the place of `finetune`."""
    return [
        AdapterSpec(
            name="finetune",
            summary="An adapter with a name that is taken",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
