"""Rows of a table as numbers: scales and categories learned on training rows, and nothing of one patient alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.tabular import TableColumns, TableRow
from medplug.core.errors import DataError

MISSING = 0
UNKNOWN = 1
FIRST = 2
"""The code of a column's first known category."""

BOUND = 10.0
"""Standard deviations a number may lie from the mean: hardly a true value does, and a typing error must not decide."""

_LEAST_OWNERS = 2  # patients a value must come from to be kept in what is saved
_COLUMNS = 256  # worked out at once: a wide table's intermediate results would fill the memory
_ROUNDING = 1e-12  # of its largest number: a column that varies by less is constant


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as an encoding gives it, or several.

    `numbers` float32 ``[rows, numeric]`` standardised, NaN where missing;
    `codes` int64 ``[rows, categorical]``: `MISSING`, `UNKNOWN`, or from `FIRST`
    on a category. Of one row both are vectors.
    """

    numbers: NDArray[np.float32]
    codes: NDArray[np.int64]

    @classmethod
    def stacked(cls, rows: Sequence[Encoded]) -> Self:
        """Several rows of one each."""
        return cls(np.stack([row.numbers for row in rows]), np.stack([row.codes for row in rows]))

    def rows(self) -> list[Encoded]:
        """Each row by itself."""
        return [Encoded(*each) for each in zip(self.numbers, self.codes, strict=True)]


@dataclass(frozen=True, eq=False)
class Encoding:
    """What was learned of `columns`: numbers become ``(number - mean) * factor``, categories their place in `entries`.

    The factor of a constant column is 0. `lacking` says of every column, numeric
    ones first, whether a training row lacked a value that is known. With `log`
    the logarithm ``sign(x) log(1 + |x|)`` stands for every number.
    """

    columns: TableColumns
    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    lacking: NDArray[np.bool_]
    entries: tuple[tuple[str, ...], ...]
    log: bool = False

    @classmethod
    def empty(cls) -> Self:
        """The encoding of no column."""
        nothing = np.zeros(0)
        return cls(TableColumns((), ()), nothing, nothing, np.zeros(0, dtype=np.bool_), ())

    @classmethod
    def learn(cls, rows: Sequence[TableRow | None], groups: Sequence[str] | None = None, *, log: bool = False) -> Self:
        """Learn it from training rows; `groups` says which patient each belongs to.

        A category that fewer than two patients have (without groups: two rows)
        stays unknown, and a numeric column with values of fewer than two counts as
        constant, so that no patient's own value enters the saved model. Rows
        without any value (None) teach nothing. `DataError` where all are so.
        """
        given = [i for i, row in enumerate(rows) if row is not None]
        kept = [row for row in rows if row is not None]
        if not kept:
            raise DataError("no training row has a value in the columns of the table; name other columns")
        columns, owners = _columns(kept), _owners(given, groups)
        numbers = _written(np.stack([row.numbers for row in kept]), log)
        mean, factor = _scale(numbers, owners)
        named = [[row.names[i] for row in kept] for i in range(len(columns.categorical))]
        entries = tuple(_entries(names, owners) for names in named)
        unknown = [not set(names).issubset(known) for names, known in zip(named, entries, strict=True)]
        lacking = np.concatenate([np.isnan(numbers).any(axis=0), np.array(unknown, dtype=np.bool_)])
        return cls(columns, mean, factor, lacking, entries, log)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build it again from what `to_json` gave, to the last bit."""
        columns = TableColumns(tuple(data["numeric"]), tuple(data["categorical"]))
        lacking = np.zeros(len(columns.numeric) + len(columns.categorical), dtype=np.bool_)
        lacking[data["lacking"]] = True
        entries = tuple(tuple(known) for known in data["entries"])
        mean, factor = (np.array(data[name], dtype=np.float64) for name in ("mean", "factor"))
        return cls(columns, mean, factor, lacking, entries, data["log"])

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON data; `lacking` by position."""
        return {
            "numeric": list(self.columns.numeric),
            "categorical": list(self.columns.categorical),
            "mean": self.mean.tolist(),
            "factor": self.factor.tolist(),
            "lacking": np.flatnonzero(self.lacking).tolist(),
            "entries": [list(known) for known in self.entries],
            "log": self.log,
        }

    @property
    def width(self) -> int:
        """The width of what `dense` gives."""
        return len(self.columns.numeric) + sum(map(len, self.entries)) + int(self.lacking.sum())

    @cached_property
    def _codes(self) -> list[dict[str | None, int]]:
        """The code of every known category, and of none, by column."""
        return [{None: MISSING, **{name: i for i, name in enumerate(known, FIRST)}} for known in self.entries]

    def encode(self, rows: Sequence[TableRow | None]) -> Encoded:
        """Encode rows, of None every value missing; `DataError` for rows of other columns."""
        kept = [row for row in rows if row is not None]
        if kept and _columns(kept) != self.columns:
            raise DataError("the rows have other columns than those that the encoding was learned on")
        there = np.array([row is not None for row in rows], dtype=np.bool_)
        numbers = np.full((len(rows), len(self.columns.numeric)), np.nan, dtype=np.float32)
        codes = np.full((len(rows), len(self.columns.categorical)), MISSING, dtype=np.int64)
        if kept:
            values = _written(np.stack([row.numbers for row in kept]), self.log)
            with np.errstate(over="ignore"):  # beyond all floats is beyond the bound
                numbers[there] = np.clip((values - self.mean) * self.factor, -BOUND, BOUND)
        for i, known in enumerate(self._codes):
            codes[there, i] = [known.get(row.names[i], UNKNOWN) for row in kept]
        return Encoded(numbers, codes)

    def dense(self, encoded: Encoded) -> NDArray[np.float32]:
        """Several rows as one matrix ``[rows, width]`` without a NaN.

        The numbers (of missing ones the mean, which is 0), each category of each
        column as 0 or 1, and for every column that lacked values in training
        whether this row lacks one that is known.
        """
        absent = np.isnan(encoded.numbers)
        flags = np.concatenate([absent, encoded.codes < FIRST], axis=1)[:, self.lacking]
        one_hot = [
            encoded.codes[:, i, None] == np.arange(FIRST, FIRST + len(known)) for i, known in enumerate(self.entries)
        ]
        parts = [np.where(absent, np.float32(0), encoded.numbers), *one_hot, flags]
        return np.concatenate(parts, axis=1, dtype=np.float32)


def _columns(rows: Iterable[TableRow]) -> TableColumns:
    """The columns of all these rows; `DataError` where they differ."""
    first, *others = {id(row.columns): row.columns for row in rows}.values()
    if any(other != first for other in others):
        raise DataError("the rows of one table have different columns; read them with the same ones")
    return first


def _owners(rows: Sequence[int], groups: Sequence[str] | None) -> NDArray[np.int64]:
    """A number for each row's patient; without groups, or with an empty one, each row is its own."""
    numbers: dict[str | int, int] = {}
    names = [(groups[row] if groups is not None else "") or row for row in rows]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _written(numbers: NDArray[np.float64], log: bool) -> NDArray[np.float64]:
    return np.copysign(np.log1p(np.abs(numbers)), numbers) if log else numbers


def _scale(numbers: NDArray[np.float64], owners: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and reciprocal standard deviation of the values of each column, 0 and 0 where one patient has them all."""
    width = numbers.shape[1]
    scales = [_scale_of(numbers[:, start : start + _COLUMNS], owners) for start in range(0, width, _COLUMNS)]
    return tuple(np.concatenate([scale[i] for scale in scales] or [np.zeros(0)]) for i in (0, 1))  # type: ignore[return-value]


def _scale_of(
    numbers: NDArray[np.float64], owners: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    present = ~np.isnan(numbers)
    count = np.maximum(present.sum(axis=0), 1)
    values = np.where(present, numbers, 0.0)
    mean = (values / count).sum(axis=0)
    gap = np.where(present, values - mean, 0.0)
    widest = np.abs(gap).max(axis=0)
    unit = np.where(widest > 0, widest, 1.0)
    deviation = unit * np.sqrt(np.square(gap / unit).sum(axis=0) / count)  # squares of neither 1e200 nor 1e-200
    last = np.where(present, owners[:, None], -1).max(axis=0)
    alone = last <= np.where(present, owners[:, None], len(owners)).min(axis=0)
    constant = alone | (widest <= _ROUNDING * np.abs(values).max(axis=0))
    with np.errstate(over="ignore"):  # the reciprocal of a subnormal
        factor = np.divide(1.0, deviation, out=np.zeros_like(mean), where=~constant)
    return np.where(alone, 0.0, mean), np.where(np.isfinite(factor), factor, 0.0)


def _entries(names: Sequence[str | None], owners: NDArray[np.int64]) -> tuple[str, ...]:
    """The categories that several patients have, the most widespread first."""
    held: dict[str, set[int]] = {}
    for name, owner in zip(names, owners.tolist(), strict=True):
        if name is not None:
            held.setdefault(name, set()).add(owner)
    known = [name for name, holders in held.items() if len(holders) >= _LEAST_OWNERS]
    return tuple(sorted(known, key=lambda name: (-len(held[name]), name)))
