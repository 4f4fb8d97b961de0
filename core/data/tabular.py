"""The values of a patient's row: which columns are numbers, how cells are read, what tasks hand to backbones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.cells import COMMA, NO_NUMBER, NOT_FINITE, check_plain, parsed_numbers, refuse, texts
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError, did_you_mean

MISSING_MARKS = ("?", "na", "n/a", "nan", "null", "none", "-")
"""What stands in place of a value that is not there, in any case of letters, beside an empty cell."""

_MARKS = frozenset("*?[")
"""What makes a name a pattern."""
_CELLS = 2**20  # cells parsed at once: one call for many short columns, and no second copy of a wide table


@dataclass(frozen=True)
class TableColumns:
    """Which columns are numbers and which are categories, in the order of a row's values."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for the names and their order."""
        return hashlib.blake2b(repr((self.numeric, self.categorical)).encode(), digest_size=16).digest()


@dataclass(frozen=True, eq=False)
class TableRow:
    """One row: `numbers` float64 ``[numeric]``, NaN where missing, and `names`, one text a category or None."""

    columns: TableColumns
    numbers: NDArray[np.float64]
    names: tuple[str | None, ...]

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        alike = np.where(np.isnan(self.numbers), np.nan, self.numbers + 0.0)  # one NaN, and no negative zero
        told = self.columns.digest + repr(self.names).encode()
        return hashlib.blake2b(told + alike.tobytes(), digest_size=16).digest()


_FAR_MORE = 20
"""Numbers for each word in a column whose words are slips."""


class _Block(NamedTuple):
    """Columns of text read as numbers: `values` ``[columns, rows]``, NaN where missing or at fault, and the faults."""

    names: Sequence[str]
    values: NDArray[np.float64]
    no_number: NDArray[np.bool_]
    comma: NDArray[np.bool_]
    not_finite: NDArray[np.bool_]


def expand_columns(table_columns: Sequence[str], names: Sequence[str], key: str = "data.tabular") -> tuple[str, ...]:
    """The columns that `names` mean, each once: a name, or a pattern as in ``gene_*``, in the table's order.

    What is written like a pattern and is a column's own name means that column.
    `DataError`, naming the configuration's `key`, for what means none.
    """
    known = set(table_columns)
    found: dict[str, None] = {}
    for name in names:
        meant = [name] if name in known else matching(table_columns, name) if set(name) & _MARKS else []
        if not meant:
            raise DataError(f"{key}: no column is named or matches {name!r}{did_you_mean(name, table_columns)}")
        found.update(dict.fromkeys(meant))
    return tuple(found)


def choose_columns(table: pl.DataFrame, names: Sequence[str], categorical: Sequence[str], key: str) -> TableColumns:
    """Which of the columns that `names` mean (`expand_columns`) are numbers, by the cells of a training table.

    A column is numeric where its type is, or where it is text and each cell
    that is not missing writes a number (with a comma, too, so that `read_rows`
    refuses it), or nearly each, so that it refuses a slip of the pen and does not
    take all numbers for names; one without any value is numeric. All else is a category, and so is
    what `categorical` names. `DataError` for a column of lists or bytes, and for
    a category that is not among the columns.
    """
    chosen = expand_columns(table.columns, names, key)
    plain = [name for name in categorical if not set(name) & _MARKS]  # a table is read without what no key needs
    meant = expand_columns([*table.columns, *plain], categorical, f"data.categorical, among the columns of {key}")
    categories = set(meant)
    stray = sorted(categories.difference(chosen))
    if stray:
        near = did_you_mean(stray[0], chosen)
        raise DataError(
            f"data.categorical names {stray[0]!r}, which is not among the columns of {key}{near}; add it there"
        )
    for name in chosen:
        check_plain(table[name], key)
    judged = table.select(name for name in chosen if name not in categories)
    numeric = {each.name for each in judged if each.dtype.is_numeric() or each.null_count() == len(each)}
    for block in _blocks(table, [name for name, dtype in judged.schema.items() if dtype == pl.String]):
        words = block.no_number.sum(axis=1)
        numbers = (~np.isnan(block.values) | block.comma | block.not_finite).sum(axis=1)
        nearly: list[bool] = (numbers >= _FAR_MORE * words).tolist()
        numeric.update(name for name, each in zip(block.names, nearly, strict=True) if each)
    return TableColumns(
        tuple(name for name in chosen if name in numeric), tuple(name for name in chosen if name not in numeric)
    )


def read_rows(table: pl.DataFrame, columns: TableColumns, problems: Problems) -> list[TableRow | None]:
    """Every row's values, None where all of them are missing.

    An empty cell, NaN and `MISSING_MARKS` are missing. In a numeric column a
    cell that is not a finite number, or is written with a comma, is a problem.
    A category that is a whole number is written without a fraction (``1.0`` is
    ``1``), so that CSV and Parquet agree. `DataError` where the table lacks a
    column, or holds lists or bytes in one.
    """
    _check_there(table, columns)
    numbers = _numbers(table, columns.numeric, problems)
    named = [_categories(table[name]) for name in columns.categorical]
    rows: list[tuple[str | None, ...]] = list(zip(*named, strict=True)) if named else [()] * len(table)
    filled: list[bool] = (len(columns.numeric) > np.isnan(numbers).sum(axis=1)).tolist()
    return [
        TableRow(columns, each, names) if some or any(name is not None for name in names) else None
        for each, names, some in zip(numbers, rows, filled, strict=True)
    ]


def _check_there(table: pl.DataFrame, columns: TableColumns) -> None:
    known = set(table.columns)
    lacking = [name for name in (*columns.numeric, *columns.categorical) if name not in known]
    if lacking:
        shown = ", ".join(map(repr, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
        raise DataError(f"the table lacks {len(lacking)} column(s) that the model reads: {shown}")


def _numbers(table: pl.DataFrame, names: Sequence[str], problems: Problems) -> NDArray[np.float64]:
    """Numbers ``[rows, names]``, read only, NaN where missing or at fault."""
    matrix = np.full((len(table), len(names)), np.nan)
    place = {name: i for i, name in enumerate(names)}
    typed = [each.name for each in table.select(names) if each.dtype.is_numeric()]
    if typed:
        values = table.select(pl.col(typed).cast(pl.Float64)).to_numpy(writable=True)
        endless = np.isinf(values)
        _refuse(problems, typed, endless.T, NOT_FINITE)
        values[endless] = np.nan
        matrix[:, [place[name] for name in typed]] = values
    for block in _blocks(table, _without(names, typed)):
        faults = {
            f"{NO_NUMBER} (a column of codes is named in data.categorical)": block.no_number,
            COMMA: block.comma,
            NOT_FINITE: block.not_finite,
        }
        for reason, cells in faults.items():
            _refuse(problems, block.names, cells, reason)
        matrix[:, [place[name] for name in block.names]] = block.values.T
    matrix.setflags(write=False)
    return matrix


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    left_out = set(others)
    return [name for name in names if name not in left_out]


def _refuse(problems: Problems, names: Sequence[str], faults: NDArray[np.bool_], reason: str) -> None:
    """Note the faulty cells of ``[columns, rows]``."""
    for i in np.flatnonzero(faults.any(axis=1)).tolist() if faults.any() else ():
        refuse(problems, pl.Series(faults[i]), names[i], reason)


def _blocks(table: pl.DataFrame, names: Sequence[str]) -> Iterator[_Block]:
    """These columns read as numbers, some at a time: one call for all of a wide table's cells costs less than many."""
    rows = len(table)
    step = max(1, _CELLS // max(1, rows))
    for start in range(0, len(names), step):
        some = names[start : start + step]
        cells = table.select(some).get_columns()
        for column in cells:
            check_plain(column, "data.tabular")
        shape = len(some), rows
        written = texts(pl.concat([column.cast(pl.String).alias("") for column in cells]), "data.tabular")
        parsed, commas = parsed_numbers(written)
        values, comma = parsed.to_numpy().copy(), commas.to_numpy()
        none, endless = parsed.is_null().to_numpy(), np.isinf(values) | parsed.is_nan().fill_null(False).to_numpy()
        given = written.is_not_null().to_numpy() & (none | endless)
        at = np.flatnonzero(given)
        given[at] = ~written.gather(at).str.to_lowercase().is_in(MISSING_MARKS).to_numpy()
        values[none | endless] = np.nan
        faults = (given & none & ~comma, given & comma, given & endless)
        yield _Block(some, values.reshape(shape), *(fault.reshape(shape) for fault in faults))


def _categories(column: pl.Series) -> list[str | None]:
    """The category of every row, None where it is missing."""
    written = texts(column, "data.tabular")
    kept = written.set(written.str.to_lowercase().is_in(MISSING_MARKS), None)
    return kept.str.replace(r"^([+-]?[0-9]+)\.0+$", "$1").to_list()
