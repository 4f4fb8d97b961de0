"""What ``import medplug`` offers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import medplug
from generator.writing import code, function_section, prose, signature, table
from medplug.core.predictor import Predictor


def page() -> str:
    """Functions first, then the classes that they give."""
    parts = [
        "# Python",
        "The public names of `medplug`, and the model that `load` gives; [Embedding](../embedding.md) shows their use.",
    ]
    given = [getattr(medplug, name) for name in medplug.__all__]
    functions = [each for each in given if inspect.isfunction(each)]
    classes = [each for each in given if inspect.isclass(each)]
    marker = "## `hookimpl` { #hookimpl }\n\nMarks a function of a plugin as the answer to a [hook](hooks.md#hooks)."
    return "\n\n".join([*parts, *map(function_section, functions), *map(_class, [*classes, Predictor]), marker])


def _class(given: type) -> str:
    parts = [f"## {code(given.__name__)} {{ #{given.__name__} }}", prose(given)]
    if is_dataclass(given) and given is not Predictor:
        rows = [(code(each.name), code(str(each.type))) for each in fields(given) if not each.name.startswith("_")]
        parts.append(table(("field", "type"), rows))
    return "\n\n".join([*parts, *_methods(given)])


def _methods(given: type) -> Iterator[str]:
    for name, each in vars(given).items():
        called = each.fget if isinstance(each, property) else each
        if not name.startswith("_") and inspect.isfunction(called):
            yield f"```python\n{signature(called)}\n```\n\n{prose(called)}"
