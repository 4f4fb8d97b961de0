"""Broken: it is written for a contract that there is not yet."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 99


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give an adapter of the future."""
    return [
        AdapterSpec(
            name="early",
            summary="An adapter of the future",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
