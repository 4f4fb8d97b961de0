"""Sets and intervals that hold the truth as often as was asked for, by split conformal prediction.

Of classes the set is those whose probability is high enough, at one threshold for all (the least
ambiguous sets of Sadinle, Lei and Wasserman, 2019); of a number the prediction give or take an absolute
error (Lei et al., 2018). That the truth is in it with the asked probability holds for rows that
are exchangeable with the validation rows, and on average over rows, not for each kind of row.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.data.trust import Conformal
from medplug.core.evaluation.statistic import Labels, Probabilities

KINDS = ("binary", "multiclass", "choice", "regression")
"""Kinds of target that have sets or intervals."""


def fit_conformal(target: Target, labels: Labels, predicted: Probabilities, coverage: float) -> Conformal | None:
    """What validation rows' `labels` and probabilities (or numbers ``[rows, 1]``) settle.

    None where the target has no such sets, or the rows are fewer than `fewest` of this coverage.
    """
    if target.kind not in KINDS or len(labels) < fewest(coverage):
        return None
    scores = np.sort(nonconformity(target, labels, predicted))
    return Conformal(coverage, float(scores[_rank(len(scores), coverage) - 1]), len(scores))


def nonconformity(target: Target, labels: Labels, predicted: Probabilities) -> NDArray[np.float64]:
    """How badly each row's truth fits its prediction ``[rows]``: 1 less its probability, or the absolute error."""
    if target.kind == "regression":
        return np.asarray(np.abs(labels - predicted[:, 0]))
    return np.asarray(1 - predicted[np.arange(len(labels)), labels])


def held(target: Target, labels: Labels, predicted: Probabilities, conformal: Conformal) -> NDArray[np.bool_]:
    """Whether each row's truth is in its set or interval ``[rows]``."""
    if target.kind == "regression":
        return nonconformity(target, labels, predicted) <= conformal.quantile
    return np.asarray(conformal.sets(predicted)[np.arange(len(labels)), labels])


def fewest(coverage: float) -> int:
    """The fewest rows whose largest score bounds a further one's with this probability: 9 for 0.9, 19 for 0.95."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def _rank(rows: int, coverage: float) -> int:
    """Which of the ascending scores it is: rounding must not make 9 of 9 rows 10."""
    return math.ceil(round((rows + 1) * coverage, 9))
