"""What the factories of a plugin must make: the classes of the contracts, method by method."""

from __future__ import annotations

from generator.classes import fields_of, methods_of
from generator.writing import code, prose
from medplug.core import adapter, augmentation, backbone, features, observing, task
from medplug.core.fusion import layer
from medplug.core.generation import generator

CONTRACTS: dict[str, tuple[type, ...]] = {
    "A task": (task.Task, task.Examples, augmentation.Augmentation),
    "A backbone": (backbone.Backbone, features.Features, generator.Generator),
    "An adapter": (*(adapter.Adapter, adapter.FitData, adapter.Batch, adapter.Material, adapter.LinearHead),),
    "A fusion": (layer.Fusion, layer.Fused),
    "An observer": (observing.StartedRun, observing.Epoch, observing.FinishedRun, observing.FailedRun),
}
"""Contract -> its class, and what its methods are given and give."""


def page() -> str:
    """Each contract, with the methods that must be there and those that may."""
    parts = [
        "# Contracts",
        "What the `factory` of a [spec](hooks.md#specs) makes. A method that *must* be there has no default; of the "
        "others a plugin overrides those that it needs.",
    ]
    for title, classes in CONTRACTS.items():
        parts += [f"## {title}", *(_class(each) for each in classes)]
    return "\n\n".join(parts)


def _class(given: type) -> str:
    heading = f"### {code(given.__name__)} {{ #{given.__name__} }}"
    return "\n\n".join([heading, f"In `{given.__module__}`.", prose(given), *fields_of(given), *methods_of(given)])
