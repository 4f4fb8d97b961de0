"""Treatments as tables have them: one column says which a row was given, and one what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from medplug.core.data import cells
from medplug.core.data.arms import Treated, control_first
from medplug.core.data.classes import in_order, target_of
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.errors import DataError

Outcome = Literal["binary", "regression"]


def outcome_of(column: pl.Series) -> Outcome:
    """Whether a column of outcomes holds two classes, or numbers; `DataError` where most cells are neither."""
    told = cells.texts(column, "data.label").drop_nulls().unique()
    if len(told) <= 2:
        return "binary"
    values, _ = cells.parsed_numbers(told)
    if 2 * values.null_count() > len(values):
        raise DataError(
            f"column {column.name!r} has {len(told)} different values, most of which are no numbers; the outcome of a "
            "treatment is one of two classes, or a number: is data.label the right column?"
        )
    return "regression"


def treatment_column(
    table: pl.DataFrame, treatment: str, label: str, outcome: Outcome, problems: Problems
) -> list[Treated]:
    """One arm a row with its outcome: a text of a binary one, else a number.

    Empty cells are problems, and so are those of numbers that hold none.
    """
    arms = cells.texts(table[treatment], "data.treatment")
    cells.refuse(problems, arms.is_null(), treatment, "the treatment is empty")
    outcomes: Sequence[str | float | None]
    if outcome == "binary":
        outcomes = cells.label_column(table[label], problems)
    else:
        outcomes = cells.number_column(table[label], problems, what="outcome")
    return [Treated(arm or "", "" if each is None else each) for arm, each in zip(arms, outcomes, strict=True)]


def treatment_target(
    labels: Sequence[Treated], name: str, *, positive: str | None = None, higher_is_better: bool
) -> Target:
    """The target of these training labels; `name` is what the outcome is called, `positive` as of a binary target.

    Raises `DataError` where there are too few or too many arms, or the outcome does not vary, and
    `ConfigError` where `positive` is none of its classes.
    """
    arms = control_first(in_order({label.arm for label in labels}))
    outcomes = [label.outcome for label in labels]
    numbers = [each for each in outcomes if isinstance(each, float)]
    if len(numbers) == len(outcomes):
        number = Target.numeric(name, numbers)
        return Target(
            "treatment", arms, number.centre, number.scale, outcomes=(name,), higher_is_better=higher_is_better
        )
    if (count := len(set(outcomes))) > 2:
        raise DataError(
            f"the outcome {name} has {count} classes in the training rows; it is one of two classes or a number "
            "(task.outcome=regression)"
        )
    classes = target_of(outcomes, "binary", positive).classes
    return Target("treatment", arms, outcomes=classes, higher_is_better=higher_is_better)
