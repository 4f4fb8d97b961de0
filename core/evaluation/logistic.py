"""Logistic regression of the truth on one number, at many row weights at once.

By Newton's method, each resample from where all rows are fitted best: the first step is then one
product with the weights, and as resamples lie near, one or two more steps are all. Of very many rows
those that lie next to each other are taken together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.evaluation.probabilistic import SMALLEST
from medplug.core.evaluation.statistic import Statistic, Values, Weights

_STEPS = 100
_SMALL, _SMALL_OF_RESAMPLES = 1e-7, 1e-3
"""A fit is done after a step as small as this, which leaves an error of about its square."""
_LONGEST = 1.0
"""No step moves log odds by more (in the root mean square): from far away Newton's are too long, and swing."""
_FLAT = 1e-9
"""Curvature a row below this: the classes are parted, or nothing tells them apart."""

_CELLS = 2048
"""Of more rows than this those of one side that are next to each other in `x` are one, at their mean."""

Floats = NDArray[np.float64]


def log_odds(probabilities: Floats) -> Floats:
    """The log odds of probabilities, which are kept as far from 0 and 1 as in a log loss."""
    kept = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    found: Floats = np.log(kept) - np.log1p(-kept)
    return found


def sigmoid(odds: Floats) -> Floats:
    """The probabilities of log odds, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * odds)))


def fit_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Intercept and slope of the log odds of `y` ``[rows]`` (0 to 1) on `x` ``[rows]``; NaN where without bound."""
    intercept, slope = _newton(x, y, np.ones((len(x), 1)), (0.0, 1.0), _SMALL, steep=True)
    return float(intercept[0]), float(slope[0])


def fit_shift(x: Floats, y: Floats) -> float:
    """The intercept of the log odds of `y` with the slope on `x` held at 1; NaN where it has no bound."""
    return float(_newton(x, y, np.ones((len(x), 1)), (0.0, 1.0), _SMALL, steep=False)[0][0])


def line_of(x: Floats, y: Floats) -> Callable[[Weights], tuple[Values, Values]]:
    """Prepare `fit_line` for row weights: intercepts and slopes, each ``[b]``."""
    start, (x, y, together) = fit_line(x, y), _together(x, y)
    return lambda weights: _newton(x, y, together(weights.T), start, _SMALL_OF_RESAMPLES, steep=True)


def shift_of(x: Floats, y: Floats) -> Statistic:
    """Prepare `fit_shift` for row weights: intercepts ``[b]``."""
    start, (x, y, together) = (fit_shift(x, y), 1.0), _together(x, y)
    return lambda weights: _newton(x, y, together(weights.T), start, _SMALL_OF_RESAMPLES, steep=False)[0]


def _together(x: Floats, y: Floats) -> tuple[Floats, Floats, Callable[[Weights], Weights]]:
    """Rows of equal `y` (0 or 1) that are near in `x` as one, and how their weights ``[rows, b]`` are added up."""
    rows = len(x)
    if rows <= _CELLS:
        return x, y, lambda weights: weights
    near = np.empty(rows, dtype=np.int64)
    near[np.argsort(x)] = np.arange(rows) * (_CELLS // 2) // rows
    cell = np.unique(2 * near + (y > 0), return_inverse=True)[1]
    sizes = np.bincount(cell)
    sums = sparse.csr_array((np.ones(rows, dtype=np.float32), (cell, np.arange(rows))), shape=(len(sizes), rows))
    return np.bincount(cell, x) / sizes, np.bincount(cell, y) / sizes, lambda weights: np.asarray(sums @ weights)


def _newton(
    x: Floats, y: Floats, weights: NDArray[np.floating], start: tuple[float, float], small: float, *, steep: bool
) -> tuple[Values, Values]:
    """Intercepts and slopes ``[b]`` (these held where not `steep`) at weights ``[rows, b]``, from `start`."""
    intercept, slope = (np.full(weights.shape[1], each) for each in start)
    if np.isnan(start).any():
        return np.full_like(intercept, np.nan), np.full_like(slope, np.nan)
    powers, total = np.stack([np.ones_like(x), x, x * x]), weights.sum(axis=0, dtype=np.float64)
    chance = sigmoid(start[0] + start[1] * x)
    pulls = (powers[:2] * (y - chance)) @ weights
    bends = (powers * (chance * (1 - chance))) @ weights
    exact = powers.astype(weights.dtype), x.astype(weights.dtype)[:, None], y.astype(weights.dtype)[:, None]
    length, reach = np.full_like(intercept, np.inf), np.array([[1.0], [max(1.0, np.sqrt(np.mean(x * x)))]])
    for step in range(_STEPS):
        if step:  # of weights in float32 in float32: the error is far below an interval's
            half = 0.5 * (exact[1] * slope.astype(weights.dtype) + intercept.astype(weights.dtype))
            chances = 0.5 + 0.5 * np.tanh(half)
            pulls = exact[0][:2] @ ((exact[2] - chances) * weights)
            bends = exact[0] @ (chances * (1 - chances) * weights)
        moved = _step(pulls.astype(np.float64), bends.astype(np.float64), total, steep=steep)
        length = np.abs(reach * moved).max(axis=0)
        kept = np.minimum(1.0, _LONGEST / np.maximum(length, _LONGEST))
        intercept, slope = intercept + kept * moved[0], slope + kept * moved[1]
        if not (length > small).any():
            break
    done = length <= small  # not where a step was NaN
    return np.where(done, intercept, np.nan), np.where(done, slope, np.nan)


def _step(pulls: Floats, bends: Floats, total: Floats, *, steep: bool) -> Floats:
    """Newton's step ``[2, b]``; NaN where the likelihood is flat."""
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = ~(bends[0] > _FLAT * total)
        if not steep:
            return np.where(flat, np.nan, np.stack([pulls[0] / bends[0], np.zeros_like(total)]))
        area = bends[0] * bends[2] - bends[1] ** 2
        flat |= ~(area > _FLAT * bends[0] * bends[2])
        steps = np.stack([bends[2] * pulls[0] - bends[1] * pulls[1], bends[0] * pulls[1] - bends[1] * pulls[0]])
        return np.where(flat, np.nan, steps / area)
