"""Rows that are nearly the same, linked in chains: only rows that share a band of their sketches are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
"""Positions of the two rows ``[pairs, 2]``."""
_NEXT = 3
"""With how many that follow it in a band each row is compared; the other bands, and chains, see to the rest."""
_BLOCK = 2**16
_FEW = 2**20


def bands(sketches: NDArray[Any], count: int) -> NDArray[np.uint64]:
    """The bands of sketches ``[rows, bytes or values]``, one number each, ``[rows, count]``; what is over is left out.

    Rows that agree in a whole band are candidates (locality-sensitive hashing by banding; Leskovec,
    Rajaraman and Ullman, Mining of Massive Datasets, 2nd edition 2014, section 3.4).
    """
    width = sketches.shape[1] // count
    parts = sketches[:, : width * count].reshape(len(sketches), count, width).astype(np.uint64)
    numbers = np.zeros((len(sketches), count), dtype=np.uint64)
    for i in range(width):  # wraps around on purpose: a hash of the band
        numbers = (numbers ^ parts[:, :, i]) * np.uint64(0x9E3779B97F4A7C15)
        numbers ^= numbers >> np.uint64(29)
    return numbers


def candidates(numbers: NDArray[np.uint64]) -> Pairs:
    """Pairs of rows that share a band ``[rows, bands]``, the first the lower; of a crowd each with its next few."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for band in numbers.T:
        order = np.argsort(band, kind="stable")
        ranked = band[order]
        for step in range(1, min(_NEXT, len(order) - 1) + 1):
            hit = np.flatnonzero(ranked[step:] == ranked[:-step])
            found.append(np.sort(np.stack([order[hit], order[hit + step]], axis=1), axis=1))
    pairs = np.concatenate(found)
    code = np.unique(pairs[:, 0] * max(1, len(numbers)) + pairs[:, 1])
    return np.stack(np.divmod(code, max(1, len(numbers))), axis=1)


def few(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether each row of the one is soon compared with each of the other: one to predict on is not worth an index."""
    return len(first) * len(second) <= _FEW


def shared(first: NDArray[Any], second: NDArray[Any], count: int) -> Pairs:
    """Pairs of a row of `first` and one of `second` that share one of `count` bands; of a crowd the first few."""
    mine, theirs = bands(first, count), bands(second, count)
    found = [np.zeros((0, 2), dtype=np.int64)]
    for wanted, band in zip(mine.T, theirs.T, strict=True):
        order = np.argsort(band, kind="stable")
        ranked = band[order]
        left = np.searchsorted(ranked, wanted)
        for step in range(_NEXT):
            at = np.minimum(left + step, len(order) - 1)
            hit = np.flatnonzero(ranked[at] == wanted)
            found.append(np.stack([hit, order[at[hit]]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def likeness(
    first: NDArray[Any],
    second: NDArray[Any],
    pairs: Pairs,
    measure: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
) -> NDArray[Any]:
    """`measure` of the rows of `first` and `second` that `pairs` name, some at a time so that memory stays flat."""
    blocks = [pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK)] or [pairs]
    return np.concatenate([measure(first[block[:, 0]], second[block[:, 1]]) for block in blocks])


class Chains:
    """Sets of rows, each joined from pairs (union and find, Tarjan 1975)."""

    def __init__(self, rows: int) -> None:
        self._above = list(range(rows))

    def root(self, row: int) -> int:
        """The row that stands for the set of this one."""
        above = self._above
        while above[row] != row:
            above[row] = above[above[row]]
            row = above[row]
        return row

    def join(self, first: int, second: int) -> None:
        """Make one set of the two that hold these rows; the lower root stands for it."""
        a, b = sorted((self.root(first), self.root(second)))
        self._above[b] = a

    def numbers(self) -> list[int]:
        """One number a row, equal within a set."""
        return [self.root(row) for row in range(len(self._above))]
