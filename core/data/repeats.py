"""Rows that say the same twice: dropped where that is wanted, and counted where their labels differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from medplug.core.task import Examples


def without_repeats(
    train: Examples, contents: Sequence[Hashable], what: str, *, drop: bool
) -> tuple[Examples, dict[str, int]]:
    """The rows, with `drop` without those that repeat a content and its label, and counts of what was seen.

    `contents` ``[rows]`` are equal where the inputs are; `what` is what messages
    call an input (``text``). The first of equal rows is kept.
    """
    first: dict[tuple[Hashable, Any], int] = {}
    for i, pair in enumerate(zip(contents, train.labels or [], strict=True)):
        first.setdefault(pair, i)
    kept = np.array(list(first.values()) if drop else range(len(train)), dtype=np.int64)
    counts = {"duplicate rows dropped": len(train) - len(first)} if drop else {}
    labels_of = Counter(content for content, _ in first)
    counts[f"rows whose {what} carries several labels"] = sum(labels_of[contents[i]] > 1 for i in kept)
    return train.take(kept) if drop else train, counts
