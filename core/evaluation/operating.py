"""From which probability on a row is decided positive: thresholds by stated rules, and what each does.

A threshold is chosen on validation rows and then told on test rows: one that is chosen on the
rows that it is told on looks better than it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.statistic import Statistic, Values, Weights, ratio

HALF = "half"
RULES = (HALF, "youden", "f1", "sensitivity:0.9", "specificity:0.9")
"""The rules that every report tells."""
MEASURES = ("sensitivity", "specificity", "ppv", "npv", "lr_positive", "lr_negative", "decided_positive")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cuts:
    """What every cut between the scores of some rows does to them, ``[cuts]``, ascending; the first takes all rows."""

    at: Floats
    sensitivity: Floats
    specificity: Floats
    f1: Floats

    @classmethod
    def of(cls, positive: NDArray[np.bool_], probabilities: Floats) -> Cuts:
        """The cuts halfway between neighbouring probabilities ``[rows]`` of rows of both classes."""
        values, place = np.unique(probabilities, return_inverse=True)
        hits = np.bincount(place, weights=positive, minlength=len(values))
        misses = np.bincount(place, weights=~positive, minlength=len(values))
        true, false = (np.cumsum(each[::-1])[::-1] for each in (hits, misses))
        at = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])
        f1 = 2 * true / (true + false + positive.sum())
        negatives = (~positive).sum()
        return cls(at, true / positive.sum(), (negatives - false) / negatives, f1)


def threshold_by(rule: str, positive: NDArray[np.bool_], probabilities: Floats) -> float | None:
    """The probability from which on rows are decided positive, by `rule` on these rows ``[rows]``.

    ``half``: 0.5. ``youden`` (1950): the greatest sensitivity plus specificity. ``f1``: the greatest F1.
    ``sensitivity:x``: the highest threshold of at least that sensitivity; ``specificity:x``: the lowest of
    at least that specificity (None where no threshold has it). Of equally good ones the one nearest
    to 0.5. None where the rows are all of one class, but for ``half``.
    """
    if rule == HALF:
        return 0.5
    if positive.all() or not positive.any():
        return None
    cuts = Cuts.of(positive, probabilities)
    name, _, asked = rule.partition(":")
    if name == "sensitivity":
        return float(cuts.at[np.flatnonzero(cuts.sensitivity >= float(asked))[-1]])
    if name == "specificity":
        enough = np.flatnonzero(cuts.specificity >= float(asked))
        return float(cuts.at[enough[0]]) if len(enough) else None
    good = cuts.f1 if name == "f1" else cuts.sensitivity + cuts.specificity
    best = np.flatnonzero(np.isclose(good, good.max(), rtol=0, atol=1e-12))
    return float(cuts.at[best[np.abs(cuts.at[best] - 0.5).argmin()]])


def at_threshold(positive: NDArray[np.bool_], decided: NDArray[np.bool_]) -> Statistic:
    """The `MEASURES` ``[b, measures]`` of decisions ``[rows]``; NaN where nothing defines one.

    Sensitivity, specificity, the predictive values, the likelihood ratios of a positive and of a negative
    decision, and the share of rows decided positive.
    """
    cells = np.stack([positive & decided, positive, decided], axis=1).astype(np.float64)

    def statistic(weights: Weights) -> Values:
        rows = weights.sum(axis=1, dtype=np.float64)
        true, actual, found = (weights @ cells).T
        sensitivity = ratio(true, actual, otherwise=np.nan)
        false_alarms = ratio(found - true, rows - actual, otherwise=np.nan)
        ppv = ratio(true, found, otherwise=np.nan)
        npv = ratio(rows - actual - found + true, rows - found, otherwise=np.nan)
        likelier = ratio(sensitivity, false_alarms, otherwise=np.nan)
        less_likely = ratio(1 - sensitivity, 1 - false_alarms, otherwise=np.nan)
        return np.column_stack([sensitivity, 1 - false_alarms, ppv, npv, likelier, less_likely, found / rows])

    return statistic
