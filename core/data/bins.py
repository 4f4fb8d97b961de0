"""Numeric labels in bins of like value, where rows are drawn so that every value has its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
LEAST_ROWS = 10
"""Fewer rows make fewer bins: so many a bin, on average."""


def numeric(labels: Sequence[Any]) -> bool:
    """Whether raw labels are numbers, as those of a regression target are."""
    return len(labels) > 0 and all(isinstance(label, float) for label in labels)


def binned(labels: Sequence[Any]) -> Sequence[Any]:
    """The quantile bin of each numeric label ``[rows]``, ten at most, lowest first; other labels as they are.

    Equal numbers share a bin, so that a number of many rows takes several bins' place.
    """
    if not numeric(labels):
        return labels
    values = np.asarray(labels, dtype=np.float64)
    bins = min(BINS, max(1, len(values) // LEAST_ROWS))
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    found: list[int] = np.searchsorted(edges, values, side="right").tolist()
    return found


def even_rows(labels: Sequence[Any] | None, rows: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` positions, ascending: random ones, of each label its share, give or take one.

    Of numbers it is each bin that has its share.
    """
    if rows <= most:
        return np.arange(rows)
    order = np.random.default_rng(seed).permutation(rows)
    if labels is not None:
        strata = binned(labels)
        number = {label: i for i, label in enumerate(dict.fromkeys(strata))}
        order = order[np.argsort(np.array([number[label] for label in strata])[order], kind="stable")]
    return np.sort(order[np.arange(most) * rows // most])
