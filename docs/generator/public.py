"""What ``import medplug`` offers."""

from __future__ import annotations

import inspect

import medplug
from generator.classes import fields_of, methods_of
from generator.writing import code, function_section, prose
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
    held = [] if given is Predictor else fields_of(given)
    return "\n\n".join([f"## {code(given.__name__)} {{ #{given.__name__} }}", prose(given), *held, *methods_of(given)])
