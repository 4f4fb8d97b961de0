"""What the baselines read of rows: what a task gives them for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class PlainFeatures(Protocol):
    """Simple features for the baseline: scikit-learn's ``fit_transform`` and ``transform`` over raw rows."""

    def fit_transform(self, rows: Sequence[Any]) -> Any:
        """Learn from the training rows and give their matrix ``[rows, columns]`` (dense or sparse)."""

    def transform(self, rows: Sequence[Any]) -> Any:
        """Give the matrix of other rows."""


class TreeFeatures(PlainFeatures, Protocol):
    """Columns of numbers for boosted trees: float64 ``[rows, columns]``, NaN where missing."""

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which columns are codes of categories ``[columns]``; known once they were learned."""

    @property
    def deep(self) -> bool:
        """Whether columns tell much only where they meet, as those of a drug and a protein: it takes larger trees."""

    @property
    def told(self) -> str:
        """What the trees read, as the report says it."""
