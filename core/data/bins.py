"""Numbers and times in bins of like value, where rows are drawn so that every value has its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.arms import Treated, treated

BINS = 10
LEAST_ROWS = 10
"""Fewer rows make fewer bins: so many a bin, on average."""


def numeric(labels: Sequence[Any]) -> bool:
    """Whether raw labels are numbers, as those of a regression target are."""
    return len(labels) > 0 and all(isinstance(label, float) for label in labels)


def timed(labels: Sequence[Any]) -> bool:
    """Whether raw labels are pairs of a time and whether the event came then, as those of a survival target are."""
    return len(labels) > 0 and all(
        isinstance(label, tuple) and len(label) == 2 and isinstance(label[1], bool) for label in labels
    )


def stratified_by(labels: Sequence[Any]) -> str:
    """What `binned` makes strata of, in words."""
    if timed(labels):
        return "event and the quantile of its time"
    if treated(labels):
        return "treatment and outcome"
    return "the label's quantile" if numeric(labels) else "label"


def binned(labels: Sequence[Any]) -> Sequence[Any]:
    """The quantile bin of each numeric label ``[rows]``, ten at most, lowest first; other labels as they are.

    Equal numbers share a bin, so that a number of many rows takes several bins' place.
    Times to an event are in bins of the rows with it, or of those without. Outcomes of
    treatments are in bins of the rows of their arm.
    """
    if treated(labels):
        return _by_arm(labels)
    if timed(labels):
        times, events = np.array(labels, dtype=np.float64).T
        numbers = np.zeros(len(times), dtype=np.int64)
        for event in (0, 1):
            numbers[events == event] = event * BINS + _bins(times[events == event])
        found: list[int] = numbers.tolist()
        return found
    return _bins(np.asarray(labels, dtype=np.float64)).tolist() if numeric(labels) else labels


def _by_arm(labels: Sequence[Treated]) -> list[str]:
    """Each row's arm with the bin, or the class, of its outcome."""
    found = [""] * len(labels)
    for arm in dict.fromkeys(label.arm for label in labels):
        rows = [i for i, label in enumerate(labels) if label.arm == arm]
        for i, stratum in zip(rows, binned([labels[i].outcome for i in rows]), strict=True):
            found[i] = f"{arm}: {stratum}"
    return found


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    bins = min(BINS, max(1, len(values) // LEAST_ROWS))
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def even_rows(labels: Sequence[Any] | None, rows: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` positions, ascending: random ones, of each label its share, give or take one.

    Of numbers and times it is each bin that has its share.
    """
    if rows <= most:
        return np.arange(rows)
    order = np.random.default_rng(seed).permutation(rows)
    if labels is not None:
        strata = binned(labels)
        number = {label: i for i, label in enumerate(dict.fromkeys(strata))}
        order = order[np.argsort(np.array([number[label] for label in strata])[order], kind="stable")]
    return np.sort(order[np.arange(most) * rows // most])
