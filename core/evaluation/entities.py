"""The scores of each entity that many rows share, as a drug or a protein, by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import prepare
from medplug.core.evaluation.statistic import POSITIVE, Labels, Probabilities

LEAST_ROWS = 10
"""An entity of fewer rows is not scored: a metric of so few says little of it."""
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class EntityScores:
    """The scores of the entities of one slot, in the order of their first row.

    `first` is the number of each one's first row in its table and `rows` how many it
    has. `told` is how many of them are positive (of a binary target), or how far
    their labels spread (standard deviation of a number); None of other targets.
    `values` ``[entities]`` by metric are NaN where undefined or not scored.
    """

    slot: str
    names: list[str]
    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    told: NDArray[np.float64] | None
    values: dict[str, NDArray[np.float64]]

    @property
    def scored(self) -> int:
        """How many have rows enough to be scored."""
        return int((self.rows >= LEAST_ROWS).sum())


def score_entities(
    target: Target, labels: Labels, probabilities: Probabilities, at: NDArray[np.int64], metrics: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Each of `metrics` of each entity ``[entities]``, `at` ``[rows]`` being the number of each row's, from 0 on.

    NaN where it is undefined or an entity has fewer than `LEAST_ROWS` rows. Entities are
    scored many at a time, as weightings that count the rows of one and no others.
    """
    counts = np.bincount(at)
    found = {metric: np.full(len(counts), np.nan) for metric in metrics}
    for members, rows in _blocks(at, counts):
        weights = (at[rows] == members[:, None]).astype(np.float64)
        for metric, values in found.items():
            values[members] = prepare(target, metric, labels[rows], probabilities[rows])(weights)
    return found


def told_of(target: Target, labels: Labels, at: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """What `EntityScores.told` is."""
    counts = np.bincount(at)
    if target.kind == "binary":
        return np.bincount(at, weights=labels == POSITIVE).astype(np.float64)
    if target.kind != "regression":
        return None
    gap = labels - (np.bincount(at, weights=labels) / counts)[at]
    return np.asarray(np.sqrt(np.bincount(at, weights=gap**2) / counts))


def _blocks(at: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Entities to be scored, with all their rows, some hundreds of rows at a time."""
    scored = np.flatnonzero(counts >= LEAST_ROWS)
    if not len(scored):
        return
    order = np.argsort(at, kind="stable")
    ends = np.cumsum(counts)
    block = np.cumsum(counts[scored]) // _BLOCK
    for members in np.split(scored, np.flatnonzero(np.diff(block)) + 1):
        yield members, np.concatenate([order[ends[each] - counts[each] : ends[each]] for each in members])
