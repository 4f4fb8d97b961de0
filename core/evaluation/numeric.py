"""Metrics of predicted numbers: errors, explained variance and correlations.

Where others take probabilities, these take predicted values ``[rows, 1]`` in
the labels' own unit. A correlation is undefined (NaN) where either side does
not vary, and so is R² where the labels do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.ranking import ones
from medplug.core.evaluation.statistic import Labels, Probabilities, Statistic, Values, Weights, mean_of, ratio

ROUNDING = 1e-12
"""A variance below this share of the mean square is rounding: the rows that were drawn are all alike."""


def mae(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The mean absolute error, in the labels' unit."""
    return mean_of(np.abs(predicted[:, 0] - labels))


def mse(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The mean squared error, in the labels' unit squared."""
    return mean_of(np.square(predicted[:, 0] - labels))


def r2(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The share of the labels' variance that is explained: 1 less the squared error over that of their mean.

    Below 0 where the mean of the scored rows would have done better.
    """
    errors, measured = mse(target, labels, predicted), _moments(labels, labels)

    def statistic(weights: Weights) -> Values:
        variance, _, _ = measured(weights)
        return 1 - ratio(errors(weights), variance, otherwise=np.nan)

    return statistic


def pearson(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The correlation of predicted and measured numbers."""
    moments = _moments(labels, predicted[:, 0])
    return lambda weights: _correlation(*moments(weights))


def rm2(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """How well predicted numbers are the measured ones, up to a factor: r²(1 - √(r² - r0²)).

    Roy and Roy (QSAR & Combinatorial Science, 2008). r² is the squared correlation and
    r0² the share of the labels' variance that k times the prediction explains, k being
    the slope of the measured on the predicted numbers through the origin: Σ(y p) / Σ(p p).
    It can be below 0, and depends on where the unit has its zero. The program published
    with DeepDTA (Öztürk et al. 2018), and those that took it over, square both terms under the
    root once more than the paper says, so that their values differ a little.
    """
    moments, of_labels, of_predicted = _moments(labels, predicted[:, 0]), mean_of(labels), mean_of(predicted[:, 0])

    def statistic(weights: Weights) -> Values:
        y, p, both = moments(weights)
        y_mean, p_mean = of_labels(weights), of_predicted(weights)
        squared = _correlation(y, p, both) ** 2
        slope = ratio(both + y_mean * p_mean, p + p_mean**2, otherwise=np.nan)
        offset = ratio(y_mean * p - p_mean * both, p + p_mean**2, otherwise=np.nan)  # y_mean - slope * p_mean
        missed = y - 2 * slope * both + slope**2 * p + offset**2
        through_origin = 1 - ratio(missed, y, otherwise=np.nan)
        return np.asarray(squared * (1 - np.sqrt(np.maximum(squared - through_origin, 0))))  # below 0: rounding

    return statistic


def spearman(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The correlation of the ranks (Spearman, 1904), tied rows sharing their mean rank.

    Each resample is ranked anew.
    """
    sides = [np.unique(values, return_inverse=True)[1] for values in (labels, predicted[:, 0])]
    blocks = [ones(block, np.ones(len(block), dtype=np.bool_)) for block in sides]

    def statistic(weights: Weights) -> Values:
        measured, found = (_ranks(each, block, weights) for each, block in zip(blocks, sides, strict=True))
        return _correlation(*(np.einsum("nb,nb,bn->b", *pair, weights) for pair in _pairs(measured, found)))

    return statistic


def _moments(first: NDArray[Any], second: NDArray[Any]) -> Any:
    """Prepare the variances of two columns and their covariance, each ``[b]``; 0 where a column does not vary."""
    x, y = first - first.mean(), second - second.mean()  # near zero, so that little cancels
    columns = np.stack([x, y, x * x, y * y, x * y], axis=1)

    def moments(weights: Weights) -> tuple[Values, Values, Values]:
        means = (weights @ columns) / weights.sum(axis=1, dtype=np.float64)[:, None]
        of_x, of_y, xx, yy, xy = means.T
        return _variance(of_x, xx), _variance(of_y, yy), xy - of_x * of_y

    return moments


def _variance(mean: Values, square: Values) -> Values:
    found = square - mean**2
    return np.where(found > ROUNDING * square, found, 0.0)


def _correlation(first: Values, second: Values, both: Values) -> Values:
    return np.clip(ratio(both, np.sqrt(first * second), otherwise=np.nan), -1, 1)


def _ranks(blocks: Any, block: NDArray[np.int64], weights: Weights) -> NDArray[np.float64]:
    """Mean ranks less their mean ``[rows, b]``: what lies below a row's block of ties, and half of the block."""
    sizes = blocks @ weights.T  # [blocks, b]
    total = sizes.sum(axis=0, dtype=np.float64)
    ranks: NDArray[np.float64] = np.cumsum(sizes, axis=0, dtype=np.float64) - (sizes + total) / 2
    return ranks[block]


def _pairs(first: NDArray[Any], second: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    return [(first, first), (second, second), (first, second)]
