"""How well a predicted mask covers the true one: Dice, IoU and the 95 % Hausdorff distance."""

from __future__ import annotations

from math import hypot
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects

Mask: TypeAlias = NDArray[np.uint8]

MEASURES = ("dice", "iou", "hausdorff95")
"""The columns of a table of overlaps."""


def overlaps(predicted: Mask, truth: Mask, classes: int) -> NDArray[np.float64]:
    """Dice, IoU and 95 % Hausdorff distance in pixels of each foreground class, ``[classes - 1, 3]``.

    Masks are ``[height, width]`` of class indices, 0 the background. A class
    that neither mask has is NaN in all three, to be left out of means. One
    that a single mask has is missed or invented altogether: Dice 0, IoU 0 and,
    as no distance exists, a distance no pair of pixels reaches, the image's
    diagonal (a fixed worst value, as the BraTS challenge of 2023 sets one).

    The Hausdorff distance is the larger of two: the 95th percentile of the
    distances from the predicted surface's pixels to the nearest of the true
    surface, and the same the other way about. (Some tools take one percentile
    of both sets thrown together, which is as a rule smaller.) A surface is the
    pixels of a class with one of their 4 neighbours outside of it or of the
    image; distances are between pixel centres.

    Raises ValueError on masks of two shapes or of a class beyond `classes`.
    """
    _check(predicted, truth, classes, dimensions=2)
    return np.array([_measure(predicted == label, truth == label) for label in range(1, classes)])


def overlap_table(predicted: Mask, truth: Mask, classes: int) -> NDArray[np.float64]:
    """`overlaps` of each of `n` images, ``[n, classes - 1, 3]``, for masks ``[n, height, width]``."""
    _check(predicted, truth, classes, dimensions=3)
    table = np.empty((len(truth), classes - 1, len(MEASURES)))
    for row, pair in enumerate(zip(predicted, truth, strict=True)):
        table[row] = overlaps(*pair, classes)
    return table


def _check(predicted: Mask, truth: Mask, classes: int, *, dimensions: int) -> None:
    if classes < 2:
        raise ValueError(f"classes must be at least 2, the background among them; got {classes}")
    if predicted.shape != truth.shape or truth.ndim != dimensions:
        wanted = "[height, width]" if dimensions == 2 else "[images, height, width]"
        raise ValueError(f"both masks must be {wanted} of one size; got {predicted.shape} and {truth.shape}")
    largest = max(int(predicted.max(initial=0)), int(truth.max(initial=0)))
    if largest >= classes:
        raise ValueError(f"masks must hold classes 0 to {classes - 1}; got {largest}")


def _measure(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    shared = np.count_nonzero(predicted & truth)
    total = np.count_nonzero(predicted) + np.count_nonzero(truth)
    if not total:
        return np.nan, np.nan, np.nan
    if not predicted.any() or not truth.any():
        return 0.0, 0.0, hypot(*truth.shape)
    return 2 * shared / total, shared / (total - shared), _hausdorff95(predicted, truth)


def _hausdorff95(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """For masks that both have pixels; computed in the box around both, where all surfaces lie."""
    either = predicted | truth
    box = find_objects(either.astype(np.uint8))[0]
    ours, theirs = _surface(predicted[box]), _surface(truth[box])
    ours_to_theirs = distance_transform_edt(~theirs)[ours]
    theirs_to_ours = distance_transform_edt(~ours)[theirs]
    return float(max(np.percentile(ours_to_theirs, 95), np.percentile(theirs_to_ours, 95)))


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    eroded: NDArray[np.bool_] = binary_erosion(mask)
    return mask & ~eroded
