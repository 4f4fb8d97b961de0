"""The numbers behind the figures: curves and calibration bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from medplug.core.data.targets import Target
from medplug.core.evaluation.probabilistic import CALIBRATION_BINS, bins_of_equal_width, confidence_of
from medplug.core.evaluation.statistic import WITHIN_95
from medplug.core.report.language import say

MOST_POINTS = 400
"""A curve of more points is thinned: no eye sees more, and the page stays small."""

Floats = NDArray[np.float64]


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
    by_column, rightly = confidence_of(target, labels, probabilities)
    confidence, right = by_column.ravel(), rightly.ravel()
    where = bins_of_equal_width(confidence)
    axes, unit = _axes(target)
    rows = np.bincount(where, minlength=CALIBRATION_BINS)
    full = np.flatnonzero(rows)
    sums = (np.bincount(where, weights=each, minlength=CALIBRATION_BINS)[full] for each in (confidence, right))
    mean, observed = (each / rows[full] for each in sums)
    left = full / CALIBRATION_BINS
    return Bins(mean, observed, _wilson(observed, rows[full]), rows[full], left, 1 / CALIBRATION_BINS, axes, unit)


def _axes(target: Target) -> tuple[tuple[str, str], str]:
    """What the bins are of, across and up, and what they count."""
    if target.kind == "binary":
        return (say("probability of the positive class"), say("share of positive rows")), say("rows")
    if target.kind == "multilabel":
        return (say("probability of a label"), say("share present")), say("row labels")
    return (say("probability of the decided class"), say("share decided rightly")), say("rows")


def _wilson(observed: Floats, rows: NDArray[np.int64]) -> Floats:
    """Wilson's score interval of a share (1927), kept so that it holds the share in spite of rounding."""
    z = WITHIN_95
    centre = (observed + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * np.sqrt(observed * (1 - observed) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    return np.stack([np.minimum(centre - half, observed), np.maximum(centre + half, observed)])


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if len(x) <= MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(np.int64))
    return x[kept], y[kept]
