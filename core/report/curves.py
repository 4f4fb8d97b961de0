"""The numbers behind the figures: curves and calibration bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from medplug.core.data.targets import Target
from medplug.core.evaluation.probabilistic import CALIBRATION_BINS
from medplug.core.report.language import say

MOST_POINTS = 400
"""A curve of more points is thinned: no eye sees more, and the page stays small."""

Floats = NDArray[np.float64]
_Z = 1.959963984540054  # the normal's 97.5 % quantile


@dataclass(frozen=True, slots=True)
class Bins:
    """Calibration by bins that hold something, ``[bins]``; `interval` ``[2, bins]`` is Wilson's, at 95 %."""

    confidence: Floats
    observed: Floats
    interval: Floats
    rows: NDArray[np.int64]
    left: Floats
    width: float
    axes: tuple[str, str]
    unit: str


def roc(positive: NDArray[np.bool_], probabilities: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates; both classes must occur."""
    false, true, _ = roc_curve(positive, probabilities)
    return _thinned(false, true)


def precision_recall(positive: NDArray[np.bool_], probabilities: Floats) -> tuple[Floats, Floats]:
    """Recall (rising) and precision; the positive class must occur."""
    precision, recall, _ = precision_recall_curve(positive, probabilities, drop_intermediate=True)
    return _thinned(recall[::-1], precision[::-1])


def calibration(target: Target, labels: NDArray[np.int64], probabilities: Floats) -> Bins:
    """How often a probability came true, in the bins that the calibration error is taken over.

    Binary: the positive probability. Multiclass: that of the decided class.
    Multilabel: those of all labels together.
    """
    confidence, right, axes, unit = _confidence(target, labels, probabilities)
    where = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    rows = np.bincount(where, minlength=CALIBRATION_BINS)
    full = np.flatnonzero(rows)
    sums = (np.bincount(where, weights=each, minlength=CALIBRATION_BINS)[full] for each in (confidence, right))
    mean, observed = (each / rows[full] for each in sums)
    left = full / CALIBRATION_BINS
    return Bins(mean, observed, _wilson(observed, rows[full]), rows[full], left, 1 / CALIBRATION_BINS, axes, unit)


def _confidence(
    target: Target, labels: NDArray[np.int64], probabilities: Floats
) -> tuple[Floats, NDArray[np.bool_], tuple[str, str], str]:
    if target.kind == "binary":
        axes = say("probability of the positive class"), say("share of positive rows")
        return probabilities[:, 1], labels == 1, axes, say("rows")
    if target.kind == "multilabel":
        axes = say("probability of a label"), say("share present")
        return probabilities.ravel(), labels.ravel() == 1, axes, say("row labels")
    axes = say("probability of the decided class"), say("share decided rightly")
    return probabilities.max(axis=1), target.decide(probabilities) == labels, axes, say("rows")


def _wilson(observed: Floats, rows: NDArray[np.int64]) -> Floats:
    """Wilson's score interval of a share (1927), kept so that it holds the share in spite of rounding."""
    centre = (observed + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z * np.sqrt(observed * (1 - observed) / rows + _Z**2 / (4 * rows**2)) / (1 + _Z**2 / rows)
    return np.stack([np.minimum(centre - half, observed), np.maximum(centre + half, observed)])


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if len(x) <= MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(np.int64))
    return x[kept], y[kept]
