"""Times to an event that not every row reached: how likely a risk makes them, and what share of rows outlives a time.

Labels are times and zeros or ones (the event came then, or the row was last
seen without it) ``[rows, 2]``. Whoever is censored at the time of an event was
still at risk of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.statistic import Labels, Probabilities, Statistic, Values, Weights, ratio

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Ascending times ``[steps]`` and a value from each on ``[steps]``."""
Hazard = tuple[tuple[float, float], ...]
"""Pairs of a time and the cumulative hazard until then, both ascending."""

MOST_KNOTS = 100
EVENTS_A_KNOT = 5
_TINY = np.finfo(np.float64).tiny
_STEEP = 500.0
"""Log hazards beyond this are as good as certain, and their exponential still a number."""


def cox_loss(target: Target, labels: Labels, predicted: Probabilities) -> Statistic:
    """Cox's negative log partial likelihood of an event, ties by Breslow (1974), for log hazards ``[rows, 1]``.

    Its size depends on how many rows there are, so that it compares models on the same
    rows alone. NaN where no event has weight.
    """
    order = np.argsort(-labels[:, 0], kind="stable")
    times, events, logits = labels[order, 0], labels[order, 1], predicted[order, 0]
    last = np.searchsorted(-times, -times, side="right") - 1
    shares = np.exp(logits - logits.max())

    def statistic(weights: Weights) -> Values:
        drawn = np.asarray(weights, dtype=np.float64)[:, order]
        at_risk = np.cumsum(drawn * shares, axis=1)[:, last]
        losses = np.log(np.maximum(at_risk, _TINY)) + logits.max() - logits
        counted = drawn * events
        return ratio((counted * losses).sum(axis=1), counted.sum(axis=1), otherwise=np.nan)

    return statistic


def kaplan_meier(labels: Labels) -> Curve:
    """The share of rows that outlives each time of an event (Kaplan and Meier, 1958)."""
    times, came, at_risk = _counts(labels, np.ones(len(labels)))
    return times, np.asarray(np.cumprod(1 - came / at_risk), dtype=np.float64)


def median_time(curve: Curve) -> float | None:
    """The first time that no more than half outlive; None where more do to the end."""
    times, shares = curve
    below = np.flatnonzero(shares <= 0.5)
    return float(times[below[0]]) if len(below) else None


def median_follow_up(labels: Labels) -> float | None:
    """How long rows were watched: the median time to censoring (reverse Kaplan-Meier; Schemper and Smith, 1996)."""
    return median_time(kaplan_meier(np.column_stack([labels[:, 0], 1 - labels[:, 1]])))


def cumulative_hazard(labels: Labels, logits: NDArray[np.floating]) -> Curve:
    """The cumulative hazard at each time of an event of a row whose log hazard is 0 (Breslow, 1972).

    `logits` ``[rows]`` are the rows' log hazards.
    """
    top = float(np.max(logits))
    times, came, at_risk = _counts(labels, np.exp(np.asarray(logits, dtype=np.float64) - top))
    return times, np.cumsum(came / np.maximum(at_risk, _TINY)) * np.exp(-top)


def baseline_hazard(labels: Labels, logits: NDArray[np.floating]) -> Hazard:
    """`cumulative_hazard` at quantiles of the events' times, a hundred at most and each of five events.

    These lie between patients' own times, so that a model's file holds none but by
    chance. The last is before the last event; what comes after is not told.
    """
    times, hazard = cumulative_hazard(labels, logits)
    own = labels[labels[:, 1] == 1, 0]
    knots = min(MOST_KNOTS, len(own) // EVENTS_A_KNOT)
    at = np.unique(np.quantile(own, np.arange(1, knots + 1) / (knots + 1)))
    reached = np.concatenate([[0.0], hazard])[np.searchsorted(times, at, side="right")]
    return tuple(zip(at.tolist(), reached.tolist(), strict=True))


def outliving(hazard: Hazard, logits: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance ``[rows, times]`` that rows of these log hazards ``[rows]`` outlive times, from a baseline hazard.

    Between its times the hazard is interpolated; times beyond the last are not to be asked for.
    """
    knots = np.array([(0.0, 0.0), *hazard])
    reached = np.interp(times, knots[:, 0], knots[:, 1])
    return np.asarray(np.exp(-np.exp(np.clip(logits, -_STEEP, _STEEP))[:, None] * reached))


def median_times(hazard: Hazard, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The time ``[rows]`` that rows of these log hazards ``[rows]`` outlive with a chance of one half.

    NaN where it is beyond the last time of the baseline hazard.
    """
    knots = np.array([(0.0, 0.0), *hazard])
    wanted = np.log(2.0) * np.exp(-np.clip(logits, -_STEEP, _STEEP))
    return np.where(wanted <= knots[-1, 1], np.interp(wanted, knots[:, 1], knots[:, 0]), np.nan)


def null_residuals(labels: Labels) -> NDArray[np.float64]:
    """Events that came less those to be expected of all rows alike ``[rows]``.

    The martingale residuals of a model without features (Therneau, Grambsch and
    Fleming, 1990): a number a row, the larger the earlier its event came.
    """
    times, hazard = cumulative_hazard(labels, np.zeros(len(labels)))
    expected = np.concatenate([[0.0], hazard])[np.searchsorted(times, labels[:, 0], side="right")]
    return np.asarray(labels[:, 1] - expected)


def _counts(
    labels: Labels, shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Each time of an event, how many events came then, and the sum of the `shares` of those at risk of it."""
    times, rank = np.unique(labels[:, 0], return_inverse=True)
    came = np.zeros(len(times))
    np.add.at(came, rank, labels[:, 1])
    at_risk = np.zeros(len(times))
    np.add.at(at_risk, rank, shares)
    at_risk = np.cumsum(at_risk[::-1])[::-1]
    return times[came > 0], came[came > 0], at_risk[came > 0]
