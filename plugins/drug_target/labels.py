"""The labels of pairs: one of two classes, or an affinity, which is measured as a concentration or ready as -log10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import polars as pl

from medplug.core.data import cells
from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError, DataError
from medplug.plugins.drug_target.options import Unit

Kind = Literal["binary", "regression"]

MOLAR: dict[Unit, float] = {"pM": 1e-12, "nM": 1e-9, "uM": 1e-6, "mM": 1e-3, "M": 1.0}
"""Mol/l of one of each unit."""
BOUND = (
    "the cell gives a bound (as >10000 does) and no measured value; take the row out, write a value of your choice, or "
    "learn active or inactive with task.target=binary"
)
_BOUND = r"^\s*[<>≤≥~≈]"


def kind_of(column: pl.Series) -> Kind:
    """Whether a column holds two classes or numbers; `DataError` where most of its different cells are neither."""
    told = cells.texts(column, "data.label").drop_nulls().unique()
    if len(told) <= 2:
        return "binary"
    values, _ = cells.parsed_numbers(told)
    if 2 * int((values.is_null() & ~told.str.contains(_BOUND)).sum()) > len(values):
        raise DataError(
            f"column {column.name!r} has {len(told)} different values, most of which are no numbers; a label is one of "
            "two classes, or a number: is data.label the right column?"
        )
    return "regression"


def affinities(column: pl.Series, unit: Unit | None, problems: Problems) -> list[float]:
    """One number a row, with a `unit` -log10 of the concentration in mol/l; what is none is a problem (and NaN here).

    A concentration is above 0.
    """
    found = Problems(problems.table)
    values = cells.number_column(column, found)
    bounds = _bounds(column)
    for problem in found.found:
        problems.add([problem.row], problem.column, BOUND if problem.row in bounds else problem.reason)
    if unit is None:
        return values
    bad = [row for row, value in enumerate(values, 1) if value <= 0]
    problems.add(bad, column.name, f"the concentration (data.unit={unit}) is not above 0")
    return [-math.log10(value * MOLAR[unit]) if 0 < value < math.inf else math.nan for value in values]


def _bounds(column: pl.Series) -> set[int]:
    """The rows whose cell is an inequality."""
    if column.dtype.is_numeric():
        return set()
    marked = cells.texts(column, "data.label").str.contains(_BOUND).fill_null(False)
    return set((marked.arg_true() + 1).to_list())


def check_two(labels: Sequence[str], column: str) -> None:
    """Raise where training labels are not of two classes: `DataError` where all are alike, `ConfigError` of more."""
    found = len(set(labels))
    if found == 1:
        raise DataError(
            f"column {column!r} has the same label in all {len(labels)} training rows, and nothing can be learned from "
            "that: is data.label the right column?"
        )
    if found > 2:
        raise ConfigError(
            f"task.target=binary, and column {column!r} has {found} different labels in training; "
            "use task.target=regression for an affinity, or make the labels two classes"
        )


def named(label: str, unit: Unit | None) -> str:
    """What the predicted number is called."""
    return label if unit is None else f"-log10 {label} (mol/l)"
