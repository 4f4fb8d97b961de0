"""Table cells as texts: how a label, a patient or a text is read, whatever type its column has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
import polars as pl

from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"(?i)^[+-]*(nan|inf|infinity)$"
_COMMA = r"^[+-]?[0-9.]*,[0-9.,]+$"

COMMA = "the number has a comma; write decimals with a point, thousands with nothing"
NO_NUMBER = "the cell is not a number"
NOT_FINITE = "the number is not finite"


def texts(column: pl.Series, key: str) -> pl.Series:
    """The cells as trimmed texts ``[rows]``; null where a cell is empty, blank or not a number (NaN).

    A whole number is written without a fraction (1.0 is ``1``) and a truth value
    as ``true`` or ``false``, so that CSV and Parquet agree. Text is kept letter
    by letter (``007``, ``1E50``). Raises `DataError`, naming the configuration's
    `key`, for a column of lists or bytes.
    """
    if column.dtype.is_float():
        written = pl.Series(column.name, [_number(value) for value in column.to_list()], dtype=pl.String)
    else:
        check_plain(column, key)
        written = column.cast(pl.String)
    trimmed = written.str.strip_chars()
    return trimmed.set(trimmed == "", None)


def check_plain(column: pl.Series, key: str) -> None:
    """Raise `DataError`, naming the configuration's `key`, for a column of lists or bytes."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(f"{key}: column {column.name!r} holds {column.dtype}; a column of text or numbers is needed")


def _number(value: float | None) -> str | None:
    if value is None or value != value:
        return None
    return str(int(value)) if value.is_integer() else str(value)


def refuse(problems: Problems, bad: pl.Series, column: str, reason: str) -> None:
    """Note the rows where `bad` is True."""
    problems.add((bad.arg_true() + 1).to_list(), column, reason)


def label_column(column: pl.Series, problems: Problems) -> list[str | None]:
    """One label a row; an empty cell is a problem."""
    found = texts(column, "data.label")
    refuse(problems, found.is_null(), column.name, "the label is empty")
    return found.to_list()


def number_column(
    column: pl.Series, problems: Problems, *, key: str = "data.label", what: str = "label"
) -> list[float]:
    """One number a row; an empty cell, text that is no number, NaN and infinity are problems (and NaN here).

    Numbers are written with a point: a comma could part thousands as well as decimals.
    `key` names the configuration's key of the column, `what` what an empty cell lacks.
    """
    if column.dtype.is_numeric():
        found = column.cast(pl.Float64).to_list()
        empty = column.is_null()
    else:
        written = texts(column, key)
        values, commas = parsed_numbers(written)
        found, empty = values.to_list(), written.is_null()
        refuse(problems, values.is_null() & ~empty & ~commas, column.name, NO_NUMBER)
        refuse(problems, commas, column.name, COMMA)
    refuse(problems, empty, column.name, f"the {what} is empty")
    infinite = pl.Series([value is not None and not math.isfinite(value) for value in found], dtype=pl.Boolean)
    refuse(problems, infinite, column.name, NOT_FINITE)
    return [math.nan if value is None else value for value in found]


def parsed_numbers(written: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The numbers that trimmed texts write ``[rows]``, null where one writes none; and which are numbers with commas.

    ``nan`` and ``inf`` are numbers that are not finite, told as NaN; a number
    with a comma is none, as the comma could part thousands as well as decimals.
    """
    reads = written.str.contains(_NUMBER).fill_null(False)
    values = written.set(~reads, None).cast(pl.Float64)
    left = (written.is_not_null() & ~reads).arg_true()
    others = written.gather(left)
    commas = np.zeros(len(written), dtype=np.bool_)
    commas[left.to_numpy()] = others.str.contains(_COMMA).to_numpy()
    return values.scatter(left.filter(others.str.contains(_NOT_FINITE)), math.nan), pl.Series(commas)


def joined_labels(column: pl.Series, separator: str, problems: Problems) -> list[tuple[str, ...]]:
    """Several labels a row, from texts that `separator` joins; a cell without a label is a problem."""
    found = [_named(text.split(separator)) if text else () for text in texts(column, "data.label").to_list()]
    refuse(problems, pl.Series([not names for names in found], dtype=pl.Boolean), column.name, "the label is empty")
    return found


def listed_labels(column: pl.Series, problems: Problems) -> list[tuple[str, ...]]:
    """Several labels a row, from lists; an empty list is a row with no label, a missing one is a problem."""
    refuse(problems, column.is_null(), column.name, "the label is empty")
    lists = column.cast(pl.List(column.dtype.inner)) if isinstance(column.dtype, pl.Array) else column
    lengths = lists.list.len().fill_null(0)
    items = iter(texts(lists.filter(lengths > 0).explode(), "data.label"))
    cells = [list(islice(items, length)) for length in lengths]
    holed = pl.Series([None in cell for cell in cells], dtype=pl.Boolean)
    refuse(problems, holed, column.name, "the list holds an empty label")
    return [_named(cell) for cell in cells]


def indicated_labels(table: pl.DataFrame, names: Sequence[str], problems: Problems) -> list[tuple[str, ...]]:
    """Several labels a row, from one 0/1 column each; all zeros is a row with no label."""
    on = {name: _indicator(table[name], problems) for name in names}
    return [
        tuple(name for name, flag in zip(on, flags, strict=True) if flag) for flags in zip(*on.values(), strict=True)
    ]


def _indicator(column: pl.Series, problems: Problems) -> pl.Series:
    found = texts(column, "data.label").str.to_lowercase()
    yes, no = found.is_in(["1", "1.0", "true"]), found.is_in(["0", "0.0", "false"])
    refuse(problems, found.is_null(), column.name, "the cell is empty; 0 or 1 is needed")
    refuse(problems, found.is_not_null() & ~(yes | no), column.name, "the cell is neither 0 nor 1")
    return yes


def _named(labels: Sequence[str | None]) -> tuple[str, ...]:
    """Each label once, trimmed and sorted: two rows with the same labels are then equal."""
    return tuple(sorted({label.strip() for label in labels if label and label.strip()}))
