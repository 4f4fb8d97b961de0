"""Gaussian kernels of rows held as numpy arrays, in blocks, and the bandwidth that suits them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from medplug.core.transfer.rows import Rows

BLOCK = 2**22
"""Entries of one block of kernels while they are made."""
MEDIAN_ROWS = 512
"""About so many rows of each sample, evenly spaced, give the median distance."""


def centred_rows(source: Rows, target: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both samples in float64, less their common mean: distances lose digits with the square of an offset."""
    rows = np.concatenate([source, target]).astype(np.float64)
    rows -= rows.mean(0)
    return rows[: len(source)], rows[len(source) :]


def kernel_blocks(rows: Rows, others: Rows, bandwidth: float) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Kernels of `rows` ``[n, width]`` with `others` ``[m, width]``: slices of the rows, and their ``[some, m]``."""
    step = max(1, BLOCK // len(others))
    squares = (others**2).sum(1)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        distances = (some**2).sum(1)[:, None] + squares - 2 * some @ others.T
        yield slice(start, start + step), np.exp(-np.maximum(distances, 0) / (2 * bandwidth**2))


def median_distance(source: Rows, target: Rows) -> float:
    """The median distance of pairs from both samples; their mean where that is zero, and 1 where that is too."""
    from scipy.spatial.distance import pdist

    distances = pdist(np.concatenate([rows[:: -(-len(rows) // MEDIAN_ROWS)] for rows in (source, target)]))
    return float(np.median(distances) or distances.mean() or 1.0)
