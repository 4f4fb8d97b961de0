"""What every metric is made of: a statistic of row weights.

A metric is prepared once on labels and probabilities (decided, sorted, put into
bins) and gives a `Statistic`, which takes row weights ``[b, rows]`` to values
``[b]``. Weights of ones give the point estimate and bootstrap counts the
resamples, by the same code. A whole weight counts a row so many times over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target

Labels = NDArray[Any]
"""Encoded labels: class positions or numbers ``[rows]``, for multilabel zeros and ones ``[rows, classes]``,
for survival times and zeros or ones (event) ``[rows, 2]``, for treatments arms and outcomes ``[rows, 2]``."""
Probabilities = NDArray[np.float64]
"""``[rows, classes]``; two columns (negative, positive) for binary, predicted values ``[rows, 1]`` for regression,
log hazards for survival; for treatments outcomes by arm, then propensities ``[rows, 2 * arms]``."""
Weights = NDArray[np.floating[Any]]
"""``[b, rows]``, each row of it one weighting of the data."""
Values = NDArray[np.float64]
"""``[b]``, or ``[b, classes]`` where a statistic speaks of every class; NaN where undefined."""

Statistic = Callable[[Weights], Values]
Prepare = Callable[[Target, Labels, Probabilities], Statistic]

WITHIN_95 = 1.959963984540054
"""Standard deviations on either side of a normal's mean that hold 95 % of it."""
POSITIVE = 1
"""The column of the positive class of a binary target."""


def membership(target: Target, encoded: Labels) -> NDArray[np.bool_]:
    """Who belongs to what: ``[rows, classes]`` from encoded labels or decisions."""
    if target.kind == "multilabel":
        return np.asarray(encoded == 1)
    return np.asarray(encoded[:, None] == np.arange(len(target.classes)))


def ratio(numerator: Values, denominator: Values, *, otherwise: float) -> Values:
    """`numerator` / `denominator`, and `otherwise` where the denominator is 0."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), otherwise)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def macro(by_class: Values) -> Values:
    """The mean over the classes where a value is defined: ``[b, classes]`` to ``[b]``."""
    defined = ~np.isnan(by_class)
    return ratio(np.where(defined, by_class, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64), otherwise=np.nan)


def summarised(by_class: Prepare) -> Prepare:
    """Turn a statistic of every class into one of the target: the positive class of a binary one, else `macro`."""

    def prepare(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
        statistic = by_class(target, labels, probabilities)
        if target.kind == "binary":
            return lambda weights: statistic(weights)[:, POSITIVE]
        return lambda weights: macro(statistic(weights))

    return prepare


def mean_of(row_values: NDArray[np.float64]) -> Statistic:
    """The weighted mean of one value a row."""
    return lambda weights: np.asarray(weights @ row_values) / weights.sum(axis=1, dtype=np.float64)
