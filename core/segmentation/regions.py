"""Where lesions lie: the connected regions of a mask, with size and position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, find_objects, label, mean

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Region:
    """A connected region of one class.

    `share` is its part of the image's pixels. `box` is (left, top, width,
    height) in pixels. `centre` is the mean (x, y) of its pixels, where the
    first pixel of the image is (0, 0): that of a ring lies outside the ring.
    `probability` is the mean of its class's over its pixels, None where no
    probabilities were given.
    """

    label: int
    pixels: int
    share: float
    box: tuple[int, int, int, int]
    centre: tuple[float, float]
    probability: float | None


def regions(
    mask: NDArray[np.uint8], probabilities: NDArray[np.float32] | None = None, *, least: int = 0
) -> list[Region]:
    """The regions of every foreground class of a mask ``[height, width]``, largest first.

    Pixels that touch at a side or a corner are connected. Regions of fewer
    than `least` pixels are left out. Equally large ones come by class, then
    from the top. `probabilities` are ``[classes, height, width]``. Raises
    ValueError on other shapes, and on a class without probabilities.
    """
    _check(mask, probabilities)
    classes = [int(value) for value in np.unique(mask) if value]
    found = [region for value in classes for region in _of_class(mask, value, probabilities, least)]
    return sorted(found, key=lambda region: -region.pixels)


def _check(mask: NDArray[np.uint8], probabilities: NDArray[np.float32] | None) -> None:
    if mask.ndim != 2:
        raise ValueError(f"the mask must be [height, width]; got shape {mask.shape}")
    if probabilities is None:
        return
    classes = int(mask.max(initial=0)) + 1
    if probabilities.shape[1:] != mask.shape or len(probabilities) < classes:
        wanted = f"[classes, {mask.shape[0]}, {mask.shape[1]}] with at least {classes} classes"
        raise ValueError(f"probabilities must be {wanted}, as the mask has; got shape {probabilities.shape}")


def _of_class(
    mask: NDArray[np.uint8], value: int, probabilities: NDArray[np.float32] | None, least: int
) -> list[Region]:
    numbered, count = label(mask == value, EIGHT_NEIGHBOURS)
    sizes = np.bincount(numbered.ravel())
    kept = [number for number in range(1, count + 1) if sizes[number] >= least]
    centres = center_of_mass(numbered > 0, numbered, kept)
    likely = [None] * len(kept) if probabilities is None else mean(probabilities[value], numbered, kept)
    boxes = find_objects(numbered)
    return [
        Region(
            label=value,
            pixels=int(sizes[number]),
            share=float(sizes[number] / mask.size),
            box=_box(boxes[number - 1]),
            centre=(float(x), float(y)),
            probability=None if probability is None else float(probability),
        )
        for number, (y, x), probability in zip(kept, centres, likely, strict=True)
    ]


def _box(place: tuple[slice, slice]) -> tuple[int, int, int, int]:
    rows, columns = place
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
