"""The label columns of a table, in each of the ways that a task with classes reads them."""

from __future__ import annotations

from typing import Any

import polars as pl

from medplug.core.data import cells
from medplug.core.data.classes import Asked
from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError


def label_columns(label: str | tuple[str, ...]) -> dict[str, str]:
    """Configuration key -> column, of ``data.label``: one column, or each of its 0/1 columns."""
    if isinstance(label, str):
        return {"data.label": label}
    return {f"data.label[{i}]": name for i, name in enumerate(label)}


def number_label(label: str | tuple[str, ...]) -> str:
    """The column of the number that is predicted; `ConfigError` where ``data.label`` names several."""
    if not isinstance(label, str):
        raise ConfigError("data.label names several columns, and task.target=regression predicts one number")
    return label


def read_labels(
    table: pl.DataFrame, label: str | tuple[str, ...], asked: Asked, separator: str, problems: Problems
) -> list[Any]:
    """A label a row: a text, or a tuple of texts where rows have several; a row without one goes to `problems`.

    Several labels stand in lists, in the 0/1 columns that `label` names or, where
    ``task.target`` is `asked` to be multilabel, in texts joined by `separator`.
    Raises `ConfigError` where one label a row is asked for and several stand there.
    """
    if not isinstance(label, str):
        _expect_several(asked, "data.label names several columns")
        return list(cells.indicated_labels(table, label, problems))
    if isinstance(table[label].dtype, pl.List | pl.Array):
        _expect_several(asked, f"column {label!r} holds lists")
        return list(cells.listed_labels(table[label], problems))
    if asked == "multilabel":
        return list(cells.joined_labels(table[label], separator, problems))
    return list(cells.label_column(table[label], problems))


def _expect_several(asked: Asked, seen: str) -> None:
    if asked in ("binary", "multiclass"):
        raise ConfigError(f"{seen}, which is for task.target=multilabel (or auto), not {asked}")
