"""What a model of treatments is worth: how well it tells what came of the arms given, and what its advice gains.

Labels are arms and outcomes ``[rows, 2]``. Predictions ``[rows, 2 * arms]`` are the
outcome under each arm and the chance of being given each (the propensity,
Rosenbaum and Rubin, 1983). What would have come of another arm is never seen;
it is estimated by the doubly robust score of Robins, Rotnitzky and Zhao (1994),
which Dudík, Langford and Li (2011) use for policies: right in the mean where either
the outcomes or the propensities are, provided that nothing unmeasured speaks
both for an arm and for its outcome. The rows must not have been trained on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.probabilistic import SMALLEST
from medplug.core.evaluation.ranking import auroc_of
from medplug.core.evaluation.statistic import (
    Labels,
    Probabilities,
    Statistic,
    Values,
    Weights,
    mean_of,
    ratio,
)

LEAST_PROPENSITY = 0.01
"""Propensities are clipped here where they divide, so that no row counts more than a hundred times."""


def given(labels: Labels) -> NDArray[np.int64]:
    """The position of each row's own arm ``[rows]``."""
    return np.asarray(labels[:, 0], dtype=np.int64)


def propensities(target: Target, predicted: Probabilities) -> NDArray[np.float64]:
    """The chances of being given each arm ``[rows, arms]``."""
    return predicted[:, len(target.classes) :]


def advised(target: Target, predicted: Probabilities) -> NDArray[np.int64]:
    """The position of the arm that each row is advised ``[rows]``."""
    return np.asarray(target.decide(predicted), dtype=np.int64)


def wanted(target: Target) -> float:
    """1 where higher outcomes are better, else -1."""
    return 1.0 if target.higher_is_better else -1.0


def doubly_robust(target: Target, labels: Labels, predicted: Probabilities) -> NDArray[np.float64]:
    """A row's score under each arm ``[rows, arms]``, whose mean estimates the mean outcome had all been given the arm.

    The prediction; for the row's own arm corrected by what it missed, over the propensity.
    """
    arms, rows = given(labels), np.arange(len(labels))
    scores = predicted[:, : len(target.classes)].copy()
    chances = np.maximum(propensities(target, predicted)[rows, arms], LEAST_PROPENSITY)
    scores[rows, arms] += (labels[:, 1] - scores[rows, arms]) / chances
    return scores


def best_arm(target: Target, scores: NDArray[np.float64]) -> int:
    """The arm whose mean of `doubly_robust` scores is best."""
    return int((wanted(target) * scores.mean(axis=0)).argmax())


def factual_loss(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """What the predicted outcome of the arm that was given costs: log loss, or the squared error of a number.

    The latter in standard deviations of the training outcomes, squared.
    """
    own = _own(labels, predicted)
    if not target.binary_outcome:
        return mean_of(np.square((own - labels[:, 1]) / target.scale))
    right = np.where(labels[:, 1] == 1, own, 1.0 - own)
    return mean_of(-np.log(np.clip(right, SMALLEST, 1.0)))


def factual_auroc(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The AUROC of the predicted outcome of the arm that was given; NaN for an outcome that is a number."""
    if not target.binary_outcome:
        return _undefined
    return auroc_of(labels[:, 1] == 1, _own(labels, predicted))


def factual_mae(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The mean absolute error of the predicted outcome of the arm that was given; NaN for a binary outcome."""
    return _undefined if target.binary_outcome else mean_of(np.abs(_own(labels, predicted) - labels[:, 1]))


def propensity_loss(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """The log loss of the arm that was given."""
    chances = propensities(target, predicted)[np.arange(len(labels)), given(labels)]
    return mean_of(-np.log(np.maximum(chances, SMALLEST)))


def policy_gain(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """What advice row by row gains over giving all rows the best single arm; above 0 the advice is better.

    In the outcome's unit, its sign turned where lower outcomes are better. Scores are
    `doubly_robust`, by the model's own predictions; the single arm is the best by
    the same rows, which favours it a little.
    """
    scores = doubly_robust(target, labels, predicted)
    taken = scores[np.arange(len(scores)), advised(target, predicted)]
    return mean_of(wanted(target) * (taken - scores[:, best_arm(target, scores)]))


def raw_difference(labels: Labels, arm: int) -> Statistic:
    """The mean outcome of the rows that were given `arm` less that of the control's: confounded, for comparison."""

    def mean(position: int, weights: Weights) -> Values:
        counted = np.asarray(weights, dtype=np.float64) * (given(labels) == position)
        return ratio(counted @ labels[:, 1], counted.sum(axis=1), otherwise=np.nan)

    return lambda weights: mean(arm, weights) - mean(0, weights)


def effective_rows(chances: NDArray[np.float64]) -> float:
    """How many equally weighted rows inverse propensities ``[rows]`` are worth (Kish, 1965); 0 of none."""
    weights = 1.0 / np.maximum(chances, LEAST_PROPENSITY)
    return float(np.square(weights.sum()) / np.square(weights).sum()) if len(weights) else 0.0


def _own(labels: Labels, predicted: Probabilities) -> NDArray[np.float64]:
    """The predicted outcome of each row's own arm ``[rows]``."""
    return predicted[np.arange(len(labels)), given(labels)]


def _undefined(weights: Weights) -> Values:
    return np.full(len(weights), np.nan)
