"""Broken: the class that its adapter names was never written."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give an adapter without code."""
    return [
        AdapterSpec(
            name="unfinished",
            summary="An adapter whose class is not there",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquareLogits",
            config="medplug_broken.options:Options",
        )
    ]
