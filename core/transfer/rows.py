"""Two samples held as numpy arrays, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating[Any]]
"""``[rows, width]`` features, float32 or float64."""

Weights = NDArray[np.float64]
"""``[rows]``: what each row counts, none of it negative."""


def check_rows(source: Rows, target: Rows) -> None:
    """Refuse anything but two non-empty, finite floating samples of one width, with a ValueError that says what."""
    for name, rows in (("source", source), ("target", target)):
        if rows.ndim != 2 or 0 in rows.shape:
            raise ValueError(f"{name} must be [rows, width] with at least one of each; got shape {list(rows.shape)}")
        if not np.issubdtype(rows.dtype, np.floating):
            raise ValueError(f"{name} must hold floating point features; got {rows.dtype}. Convert it with .astype")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} must hold finite features; got nan or infinity")
    if source.shape[1] != target.shape[1]:
        wanted = "source and target must be [n, width] and [m, width] of one width"
        raise ValueError(f"{wanted}; got shapes {list(source.shape)} and {list(target.shape)}")
