"""The best of many scored entities, in memory bounded by how many are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


class Entry(NamedTuple):
    """One entity of a library: its row, its name (empty where it has none), and its value."""

    row: int
    name: str
    value: Any


class Best:
    """The `most` entities that rank first for one target: the highest scores, or the `lowest`; equal ones by row.

    `scores` ``[kept]`` and `stds` ``[kept]`` (NaN where nothing is known) go with `entries`, best first.
    """

    def __init__(self, most: int, *, lowest: bool = False) -> None:
        self._most, self._sign = most, 1.0 if lowest else -1.0
        self.scores: Scores = np.empty(0)
        self.stds: Scores = np.empty(0)
        self.entries: list[Entry] = []

    def add(self, scores: Scores, stds: Scores, entries: Sequence[Entry]) -> None:
        """Take in a chunk ``[entities]`` whose rows come behind all that were seen."""
        if len(self.entries) == self._most:  # most of a large library is worse than what is kept
            better = np.flatnonzero(self._sign * scores < self._sign * self.scores[-1])
        else:
            better = np.arange(len(scores))
        if not len(better):
            return
        all_scores = np.concatenate([self.scores, scores[better]])
        all_stds = np.concatenate([self.stds, stds[better]])
        every = [*self.entries, *(entries[i] for i in better.tolist())]
        order = np.argsort(self._sign * all_scores, kind="stable")[: self._most]  # stable: earlier rows first
        self.scores, self.stds = all_scores[order], all_stds[order]
        self.entries = [every[i] for i in order]
