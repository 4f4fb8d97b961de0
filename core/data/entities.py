"""Entities that many rows share, as drugs and proteins: each distinct one is read and computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data import cells
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

T = TypeVar("T", bound=Hashable)


def distinct(values: Sequence[T]) -> tuple[list[T], NDArray[np.int64]]:
    """The distinct values in the order of their first row, and the place of each row's value among them ``[rows]``."""
    places: dict[T, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(at, dtype=np.int64)


def read_entities(
    column: pl.Series, read: Callable[[str], str], problems: Problems, *, key: str, what: str, empty_ok: bool
) -> list[str | None]:
    """One entity a row, each distinct cell read once; None where a cell is empty or bad.

    `read` raises a `DataError` whose text is a short reason without the cell's
    content; it becomes a problem of every row that has the cell. So does an
    empty cell, but where `empty_ok`. `key` is the configuration's key of the
    column and `what` what an empty cell lacks. Raises `DataError` for a column
    of lists or bytes.
    """
    written = cells.texts(column, key)
    if not empty_ok:
        cells.refuse(problems, written.is_null(), column.name, f"the {what} is empty")
    texts, at = distinct(written.to_list())
    found: list[str | None] = []
    reasons: dict[int, str] = {}
    for place, text in enumerate(texts):
        try:
            found.append(None if text is None else read(text))
        except DataError as error:
            reasons[place] = str(error)
            found.append(None)
    for row, place in enumerate(at.tolist(), start=1):
        if place in reasons:
            problems.add([row], column.name, reasons[place])
    return [found[place] for place in at]
