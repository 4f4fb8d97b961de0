"""Batches under a token budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


def budget_batches(
    sizes: Sequence[int] | NDArray[np.integer], *, budget: int, most: int | None = None
) -> list[Positions]:
    """Cut items into batches whose padded size, count times longest, stays within `budget`.

    Items go longest first, so that running out of memory shows at once and each
    batch holds items of like size; equal sizes keep their order. An item larger
    than the budget stands alone; `most` bounds the items of a batch. Every
    position ``0..len(sizes)-1`` comes exactly once.

    Raises ValueError for a budget or `most` below one and for a negative size.
    """
    costs = np.asarray(sizes, dtype=np.int64)
    if budget < 1 or (most is not None and most < 1) or (costs < 0).any():
        raise ValueError("budget and most must be at least 1 and no size may be negative")
    order = np.argsort(-costs, kind="stable").astype(np.int64)
    batches, start = [], 0
    while start < len(order):
        count = max(1, budget // max(1, int(costs[order[start]])))
        stop = start + (count if most is None else min(count, most))
        batches.append(order[start:stop])
        start = stop
    return batches
