"""The best passages of each query, kept while scores of block after block of passages come in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import UsageError


class Ranked(NamedTuple):
    """The passages found for each query, best first.

    `rows` ``[queries, k]`` are positions in the corpus and `scores` ``[queries, k]`` float32. Where
    fewer than k were found, the last rows are -1 and their scores minus infinity.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class Best:
    """A running top k: scores above `floor` are kept, and of equal ones those of the lower row."""

    def __init__(self, queries: int, k: int, *, floor: float = -np.inf) -> None:
        check_k(k)
        self._rows = np.full((queries, k), -1, dtype=np.int64)
        self._scores = np.full((queries, k), floor, dtype=np.float32)

    def add(self, scores: NDArray[np.float32], first: int) -> None:
        """Take in the scores ``[queries, n]`` of the passages from row `first` on; rows must come in order."""
        # a later row loses to an equal score, so that only what is above the worst one kept can enter
        for query in np.flatnonzero(scores.max(axis=1) > self._scores[:, -1]):
            self._add(query, scores[query], first)

    def _add(self, query: np.intp, scores: NDArray[np.float32], first: int) -> None:
        kept, k = self._scores[query], self._scores.shape[1]
        found = np.flatnonzero(scores > kept[-1])
        if len(found) > k:
            values = scores[found]
            found = found[values >= np.partition(values, -k)[-k]]
        merged = np.concatenate([kept, scores[found]])
        order = np.argsort(-merged, kind="stable")[:k]
        self._scores[query] = merged[order]
        self._rows[query] = np.concatenate([self._rows[query], found + first])[order]

    def ranked(self) -> Ranked:
        """What was found so far."""
        return Ranked(self._rows, np.where(self._rows < 0, np.float32(-np.inf), self._scores))


def check_k(k: int) -> None:
    """Raise UsageError for fewer than one passage a query."""
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least one passage a query")
