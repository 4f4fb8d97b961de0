"""Broken: the name of its hook is misspelled."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import AdapterSpec

medplug_api = 1


@hookimpl
def medplug_adaptors() -> list[AdapterSpec]:
    """Give an adapter by another name."""
    return [
        AdapterSpec(
            name="misspelled",
            summary="An adapter behind a misspelled hook",
            family="model",
            answers=("penalty",),
            factory="medplug_broken.method:SquaredLogits",
            config="medplug_broken.options:Options",
        )
    ]
