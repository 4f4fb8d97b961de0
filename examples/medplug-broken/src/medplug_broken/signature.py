"""Broken: its hook asks for what medplug does not give."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters(config: object) -> list[AdapterSpec]:
    """Give an adapter by a configuration that nobody hands over."""
    return [
        AdapterSpec(
            name="configured",
            summary="An adapter that wants a configuration",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
