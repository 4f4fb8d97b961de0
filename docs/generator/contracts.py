"""What the factories of a plugin must make: the classes of the contracts, method by method."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from generator.writing import code, prose, signature, table
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
    return "\n\n".join([heading, f"In `{given.__module__}`.", prose(given), *_fields(given), *_methods(given)])


def _fields(given: type) -> Iterator[str]:
    if is_dataclass(given):
        yield table(("field", "type"), [(code(each.name), code(str(each.type))) for each in fields(given)])
    elif hasattr(given, "_fields"):
        annotations = given.__annotations__
        yield table(("field", "type"), [(code(name), code(str(annotations[name]))) for name in annotations])


def _methods(given: type) -> Iterator[str]:
    must: frozenset[str] = getattr(given, "__abstractmethods__", frozenset())
    for name, each in vars(given).items():
        called = _callable(each)
        if name.startswith("_") or called is None:
            continue
        told = "*must be there*" if name in must else "*is read*" if isinstance(each, property) else ""
        yield "\n\n".join(part for part in (f"```python\n{signature(called)}\n```", told, prose(called)) if part)


def _callable(each: Any) -> Any:
    inner = each.fget if isinstance(each, property) else getattr(each, "__func__", each)
    return inner if inspect.isfunction(inner) and inner.__name__ != "<lambda>" else None
