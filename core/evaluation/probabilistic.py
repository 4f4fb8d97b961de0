"""Metrics of the probabilities themselves: log loss, Brier score and calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.data.targets import Target
from medplug.core.evaluation.statistic import (
    POSITIVE,
    Labels,
    Probabilities,
    Statistic,
    Values,
    Weights,
    mean_of,
    membership,
)

CALIBRATION_BINS = 15
SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in a logarithm, as scikit-learn keeps them."""


def log_loss(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """Minus the mean log probability (natural) of the truth; for multilabel the mean over labels too."""
    members = membership(target, labels)
    clipped = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    if target.kind == "multilabel":
        return mean_of(-np.log(np.where(members, clipped, 1 - clipped)).mean(axis=1))
    return mean_of(-np.log(clipped[members]))


def brier(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """The mean squared distance of the probabilities from the truth (Brier, 1950).

    Binary: of the positive probability, so from 0 to 1. Multiclass and choice: summed over
    the classes of a row, so from 0 to 2. Multilabel: the mean over labels.
    """
    squares = np.square(probabilities - membership(target, labels))
    if target.kind == "binary":
        return mean_of(squares[:, POSITIVE])
    return mean_of(squares.sum(axis=1) if target.kind in ("multiclass", "choice") else squares.mean(axis=1))


def ece(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """The expected calibration error over 15 bins of equal width (Naeini et al., 2015; Guo et al., 2017).

    The mean distance, weighted by rows, between a bin's mean confidence and how
    often it was right. The confidence is, for binary, the probability of the
    positive class, right where the row is positive; for multiclass the top
    probability, right where the decision is; for multilabel that of each label,
    as for binary, and the error is the mean over labels.
    """
    confidence, right = confidence_of(target, labels, probabilities)
    rows, columns = confidence.shape
    cell = (bins_of_equal_width(confidence) + CALIBRATION_BINS * np.arange(columns)).ravel()
    where = (cell, np.repeat(np.arange(rows), columns))
    gaps = sparse.csr_array(((confidence - right).ravel(), where), shape=(columns * CALIBRATION_BINS, rows))

    def statistic(weights: Weights) -> Values:
        distances = np.abs(gaps @ weights.T).sum(axis=0)
        return np.asarray(distances / weights.sum(axis=1, dtype=np.float64) / columns)

    return statistic


def bins_of_equal_width(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each confidence, of 15 that are (lower, upper], the first one with 0."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)


def confidence_of(
    target: Target, labels: Labels, probabilities: Probabilities
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences and whether they were right, ``[rows, 1]`` or for multilabel ``[rows, labels]``."""
    members = membership(target, labels)
    if target.kind == "multilabel":
        return probabilities, members
    if target.kind == "binary":
        return probabilities[:, [POSITIVE]], members[:, [POSITIVE]]
    right = target.decide(probabilities) == np.asarray(labels)
    return probabilities.max(axis=1, keepdims=True), right[:, None]
