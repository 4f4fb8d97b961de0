"""Whether predictions mean what they say: slope, intercept, the curve between them, and the error by bins.

A model is calibrated where of the rows that it gives a probability of 0.3 three
in ten are positive. Cox (1958, Two further applications of a model for binary
regression) asks it of a logistic regression of the truth on the log odds of the
prediction: a slope below 1 says that predictions are too extreme, one above 1 that
they are too timid, and an intercept (with the slope held at 1: calibration in the
large) other than 0 that they are too low (above) or too high (below) on the whole.
Of a number the same is asked of a straight line of the measured on the predicted value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.evaluation.logistic import line_of, log_odds, shift_of, sigmoid
from medplug.core.evaluation.probabilistic import CALIBRATION_BINS
from medplug.core.evaluation.statistic import Labels, Statistic, Values, Weights, ratio

POINTS = 21
"""At so many predictions the curve is taken."""
_TAILS = (0.01, 0.99)
"""Between these shares of the predictions the curve is drawn: beyond them it would rest on a hundredth of the rows."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibration fit, prepared: `statistic` gives slope, intercept, then the curve at `at` ``[points]``."""

    at: Floats
    statistic: Statistic


def of_probabilities(positive: NDArray[np.bool_], probabilities: Floats) -> Fit:
    """Of the probabilities ``[rows]`` of one class against the rest; NaN where the rows are all of one side.

    So it is where a threshold parts the classes altogether: the slope has no bound then.
    """
    x, y = log_odds(probabilities), positive.astype(np.float64)
    at = _grid(probabilities)
    line, shift, points = line_of(x, y), shift_of(x, y), log_odds(at)

    def statistic(weights: Weights) -> Values:
        start, slope = line(weights)
        return np.column_stack([slope, shift(weights), sigmoid(start[:, None] + slope[:, None] * points)])

    return Fit(at, statistic)


def of_numbers(measured: Labels, predicted: Floats) -> Fit:
    """Of predicted numbers ``[rows]``: the least squares line of the measured ones; NaN where predictions are one.

    The intercept is the mean of measured less predicted, in the labels' unit.
    """
    at, centre = _grid(predicted), predicted.mean()
    x, y = predicted - centre, measured - centre
    columns = np.stack([x, y, x * x, x * y], axis=1)

    def statistic(weights: Weights) -> Values:
        of_x, of_y, xx, xy = ((weights @ columns) / weights.sum(axis=1, dtype=np.float64)[:, None]).T
        varies = np.where(xx - of_x**2 > 1e-12 * xx, xx - of_x**2, 0.0)
        slope = ratio(xy - of_x * of_y, varies, otherwise=np.nan)
        curve = centre + of_y[:, None] + slope[:, None] * (at - centre - of_x[:, None])
        return np.column_stack([slope, of_y - of_x, curve])

    return Fit(at, statistic)


def bins_of_equal_count(confidence: Floats, most: int = CALIBRATION_BINS) -> NDArray[np.int64]:
    """The bin ``[rows]`` of each confidence, of at most so many with about as many rows each; ties stay together."""
    edges = np.quantile(confidence, np.arange(1, most) / most, method="inverted_cdf")
    return np.unique(np.searchsorted(np.unique(edges), confidence, side="left"), return_inverse=True)[1].astype(
        np.int64
    )


def error_by_count(confidence: Floats, right: NDArray[np.bool_]) -> tuple[int, Statistic]:
    """How many bins of equal count there are, and the calibration error over them, ``[rows]`` or ``[rows, labels]``.

    The mean distance, weighted by rows, between a bin's mean confidence and how often it was right (Nguyen and
    O'Connor, 2015, take bins of equal count). The bins stay those of all rows in every resample. Of
    several labels the errors are averaged, and the bins told are the most that one has.
    """
    confidence, right = confidence.reshape(len(confidence), -1), right.reshape(len(right), -1)
    bins = np.stack([bins_of_equal_count(column) for column in confidence.T], axis=1)
    most, labels = int(bins.max()) + 1, confidence.shape[1]
    cells = (bins + most * np.arange(labels)).ravel()
    where = (cells, np.repeat(np.arange(len(confidence)), labels))
    gaps = sparse.csr_array(((confidence - right).ravel(), where), shape=(most * labels, len(confidence)))

    def statistic(weights: Weights) -> Values:
        return np.asarray(np.abs(gaps @ weights.T).sum(axis=0) / weights.sum(axis=1, dtype=np.float64) / labels)

    return most, statistic


def _grid(predictions: Floats) -> Floats:
    low, high = np.quantile(predictions, _TAILS)
    return np.linspace(low, high, POINTS)
