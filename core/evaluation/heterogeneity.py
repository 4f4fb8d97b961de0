"""How far the sites of a study (or other parts) are apart in a metric, beyond what chance explains.

A random effects meta-analysis of the parts' estimates (DerSimonian and Laird, 1986), on a scale where
they are about normal: log odds for shares, AUROC and the like (Snell et al., 2018), Fisher's z for
correlations, logarithms for errors. The interval of the mean is Hartung and Knapp's (2001), never narrower than
that of common variance; the prediction interval (Higgins, Thompson and Spiegelhalter, 2009) is where
the metric of a further site is to be expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medplug.core.evaluation.statistic import WITHIN_95

FEWEST = 2
_LOGARITHMIC = (
    "mae",
    "mse",
    "log_loss",
    "brier",
    "ece",
    "cox_loss",
    "hausdorff95",
    "factual_loss",
    "propensity_loss",
    "factual_mae",
)
_CORRELATIONS = ("pearson", "spearman")
_PLAIN = ("r2", "rm2", "policy_gain", "ef1")

Floats = NDArray[np.float64]
_Map = Callable[[Any], Any]


class Interval(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """As metrics.json has it, None for what is undefined."""
        value, low, high = (each if math.isfinite(each) else None for each in self)
        return {"value": value, "ci95": [low, high]}


@dataclass(frozen=True, slots=True)
class Pooled:
    """Parts taken together: `q` (with `parts` - 1 degrees of freedom) and its p value, `i2` (0 to 1), and `tau2`.

    `tau` is on the scale of the analysis, `mean` and `further` (the prediction interval; of NaN where there
    are fewer than three parts) in the metric's own.
    """

    parts: int
    q: float
    p: float
    i2: float
    tau2: float
    mean: Interval
    further: Interval

    def as_json(self) -> dict[str, Any]:
        """As JSON data."""
        told = {"parts": self.parts, "q": self.q, "p": self.p, "i2": self.i2, "tau2": self.tau2}
        return {**told, "mean": self.mean.as_json(), "prediction": self.further.as_json()["ci95"]}


def pooled(values: Floats, variances: Floats, back: _Map = lambda each: each) -> Pooled:
    """The random effects mean of two estimates or more ``[parts]`` with their variances; `back` undoes the scale."""
    parts, weights = len(values), 1 / variances
    common = weights @ values / weights.sum()
    q = float(weights @ (values - common) ** 2)
    tau2 = max(0.0, (q - (parts - 1)) / (weights.sum() - (weights**2).sum() / weights.sum()))
    weights = 1 / (variances + tau2)
    mean = float(weights @ values / weights.sum())
    spread = max(1.0, float(weights @ (values - mean) ** 2) / (parts - 1))
    error = math.sqrt(spread / weights.sum())
    half = stats.t.ppf(0.975, parts - 1) * error
    wide = stats.t.ppf(0.975, parts - 2) * math.sqrt(tau2 + error**2) if parts > FEWEST else math.nan
    told, further = (Interval(*(float(back(mean + side * each)) for side in (0, -1, 1))) for each in (half, wide))
    p, i2 = float(stats.chi2.sf(q, parts - 1)), max(0.0, (q - (parts - 1)) / q) if q > 0 else 0.0
    return Pooled(parts, q, p, i2, float(tau2), told, further)


def of_parts(parts: Mapping[str, Mapping[str, Any]], metric: str) -> tuple[Pooled | None, list[str]]:
    """The `parts` of a column as metrics.json tells them, pooled, and the names of those that count in it.

    A part counts where its metric is defined and not at the scale's end (an AUROC of 1, say), and one
    bound of its interval at least. None where fewer than two do.
    """
    there, back = _scale(metric)
    found = {name: _estimate(part["metrics"].get(metric), there) for name, part in parts.items()}
    counted = {name: each for name, each in found.items() if each is not None}
    if len(counted) < FEWEST:
        return None, [*counted]
    values, errors = (np.array(each) for each in zip(*counted.values(), strict=True))
    return pooled(values, errors**2, back), [*counted]


def _estimate(told: Mapping[str, Any] | None, there: _Map) -> tuple[float, float] | None:
    """A value on the scale of the analysis with its standard error, read off its interval.

    Of an interval that reaches the scale's end the other half is read: a small site with a high AUROC has such a
    one, and without these sites the mean would be too low.
    """
    if told is None or told["value"] is None or None in told["ci95"]:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        value, low, high = (float(there(np.float64(each))) for each in (told["value"], *told["ci95"]))
    halves = [half for half in (value - low, high - value) if math.isfinite(half)]
    error = sum(halves) / (len(halves) * WITHIN_95) if halves else 0.0
    return (value, error) if error > 0 else None


def _scale(metric: str) -> tuple[_Map, _Map]:
    """To the scale of the analysis, and back."""
    if metric in _LOGARITHMIC:
        return np.log, np.exp
    if metric in _CORRELATIONS:
        return np.arctanh, np.tanh
    if metric in _PLAIN:
        return lambda each: each, lambda each: each
    return lambda each: np.log(each) - np.log1p(-each), lambda each: 0.5 * (1 + np.tanh(0.5 * each))
