"""What a model is worth to those who act on it: net benefit by the probability from which they would act.

Vickers and Elkin (2006, Decision curve analysis): who acts from a probability t on takes one true
positive to be worth (1 - t) / t false ones. So the net benefit of a model is its true positives less
its false ones times t / (1 - t), a row; it is compared with acting on every row, and on none (0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.ranking import ones
from medplug.core.evaluation.statistic import Statistic, Values, Weights

THRESHOLDS: tuple[float, ...] = tuple(round(each / 100, 2) for each in range(1, 100, 2))
"""The probabilities at which curves are taken."""

Floats = NDArray[np.float64]


def net_benefit(positive: NDArray[np.bool_], probabilities: Floats) -> Statistic:
    """The net benefit ``[b, thresholds]`` of acting on the rows ``[rows]`` of a probability at or above each."""
    odds = _odds()
    # the bin of a row is how many thresholds it reaches, so that one pass over the rows serves them all
    reached = np.searchsorted(THRESHOLDS, probabilities, side="right").astype(np.int64)
    padded = np.append(reached, len(THRESHOLDS))  # a bin for each, though no row reaches it
    found = [ones(padded, np.append(rows, False))[:, :-1] for rows in (positive, ~positive)]

    def statistic(weights: Weights) -> Values:
        true, false = (_at_least(np.asarray(each @ weights.T, dtype=np.float64)) for each in found)
        return np.asarray(((true - odds[:, None] * false) / weights.sum(axis=1, dtype=np.float64)).T)

    return statistic


def benefit_of_all(positive: NDArray[np.bool_]) -> Statistic:
    """The net benefit ``[b, thresholds]`` of acting on every row."""
    odds, signs = _odds(), positive.astype(np.float64)

    def statistic(weights: Weights) -> Values:
        share = (weights @ signs) / weights.sum(axis=1, dtype=np.float64)
        return np.asarray(share[:, None] - odds * (1 - share[:, None]))

    return statistic


def _at_least(counts: Floats) -> Floats:
    """Rows of each threshold or more ``[thresholds, b]`` from those that reach just so many ``[thresholds + 1, b]``."""
    return np.asarray(np.cumsum(counts[::-1], axis=0)[::-1][1:])


def _odds() -> Floats:
    at = np.array(THRESHOLDS)
    return np.asarray(at / (1 - at))
