"""Broken: what it declares raises an error."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adapters() -> list[AdapterSpec]:
    """Give an adapter of a family that was never settled."""
    family = {"penalty": "model"}["penalties"]
    return [
        AdapterSpec(
            name="undecided",
            summary="An adapter of no family",
            family=family,  # type: ignore[arg-type]
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
