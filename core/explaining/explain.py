"""Explaining rows: each way that has something to say of a model says it, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medplug.core.explaining.attribution import Attribution
from medplug.core.specs import resolve

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples


@dataclass(frozen=True, slots=True)
class Asked:
    """What an explanation was asked for.

    `method` names one way (``auto``: all that have something to say), `show` whether the
    rows' own words and pictures may be part of it, `steps` how finely a path is followed, `seed` what is
    drawn at random, `others` the rows whose values are usual (None: those that are explained).
    """

    method: str = "auto"
    show: bool = False
    steps: int = 32
    seed: int = 0
    others: Examples | None = None


Way = Callable[["Predictor", "Examples", Asked], list[Attribution]]
"""Explains every row of some examples in its own way; gives nothing where it has nothing to say of this model."""

WAYS: dict[str, str] = {
    "gradient": "medplug.core.explaining.gradient:explained",
    "replacing": "medplug.core.explaining.replacing:explained",
}
"""The ways by name, ``module:function`` (imported when asked)."""


def explained(predictor: Predictor, examples: Examples, asked: Asked) -> list[Attribution]:
    """The attributions of all rows, by row and then by way."""
    chosen = WAYS if asked.method == "auto" else {asked.method: WAYS[asked.method]}
    found: list[Attribution] = []
    for name, where in chosen.items():
        way: Way = resolve(where, owner=f"the explanation {name}")
        found += way(predictor, examples, asked)
    return sorted(found, key=lambda each: each.row)
