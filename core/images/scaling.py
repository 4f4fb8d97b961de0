"""Numbers of any type into uint8 pixels, not larger than wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medplug.core.images.reading import ImageError, Reading, check_size
from medplug.core.images.store import Pixels

Array = NDArray[Any]
Range = tuple[float, float]
"""The values that become black and white."""


def to_pixels(array: Array, reading: Reading) -> Pixels:
    """An array in memory as ``[frames, height, width]`` pixels, or ``[frames, height, width, 3]`` where it has colour.

    Read are ``[h, w]``, ``[frames, h, w]`` and, where the last axis is 1, 3 or
    4 (grey, RGB, RGB with alpha), ``[h, w, channels]`` and ``[frames, h, w,
    channels]``: no picture is 4 pixels wide. Channels first are frames.
    Booleans become 0 and 255, uint8 stays as it is (alpha over black), other
    numbers go through the window or their 0.1 to 99.9 percentiles, where NaN
    and infinities count as the smallest and a constant becomes 0. Raises
    `ImageError` for any other shape or type and for what is too large.
    """
    frames = _frames(array)
    kept = reading.kept(len(frames))
    check_size(frames.shape[1], frames.shape[2], len(kept))
    frames = frames[kept]
    if frames.ndim == 4 and frames.shape[3] == 4:
        if frames.dtype != np.uint8:
            raise ImageError(f"colours with alpha must be uint8; got {frames.dtype}")
        frames = over_black(frames)
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the ends of their type
        return pictured(frames, reading)


def pictured(frames: Array, reading: Reading, *, inverted: bool = False) -> Pixels:
    """`frames` ``[frames, h, w(, 3)]`` of any number type as pixels of the wanted size; `inverted`: low is white."""
    bounds = None if frames.dtype in (np.uint8, np.bool_) else value_range(frames, reading.window)
    return sized(levels(frames, bounds, inverted=inverted), reading.shortest)


def value_range(values: Array, window: tuple[float, float] | None = None) -> Range:
    """Of a window ``(centre, width)`` its ends, else the 0.1 and 99.9 percentiles of the finite `values`.

    Where these are equal, as in a mask with a few bright dots, the extremes.
    """
    if window:
        centre, width = window
        return centre - width / 2, centre + width / 2
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite.astype(np.float32) if finite.dtype.itemsize < 4 else finite, (0.1, 99.9))
    return (float(low), float(high)) if low < high else (float(finite.min()), float(finite.max()))


def levels(values: Array, bounds: Range | None, *, inverted: bool = False) -> Pixels:
    """`values` as uint8: 0 at the lower bound and below, 255 at the upper (`inverted`: the reverse).

    Without bounds uint8 stays as it is and booleans become 0 and 255. NaN and
    infinities become 0, as does everything where the bounds are equal.
    """
    if bounds is None:
        plain: Pixels = values * np.uint8(255) if values.dtype == np.bool_ else values
        return ~plain if inverted else plain
    pixels: Pixels = np.zeros(values.shape, dtype=np.uint8)
    low, high = bounds
    if low < high:
        for place, frame in enumerate(values):  # one by one: the floats take more memory than the rest
            pixels[place] = _stretched(frame, low, high, inverted)
    return pixels


def _stretched(values: Array, low: float, high: float, inverted: bool) -> Pixels:
    wide = values.astype(np.result_type(values, np.float32))
    finite = np.isfinite(wide) if values.dtype.kind == "f" else None
    wide -= low
    wide *= 255 / (high - low)
    np.clip(wide, 0, 255, out=wide)
    if inverted:
        np.subtract(255, wide, out=wide)
    if finite is not None:
        wide[~finite] = 0
    pixels: Pixels = np.rint(wide, out=wide).astype(np.uint8)
    return pixels


def sized(frames: Pixels, shortest: int) -> Pixels:
    """`frames` area-averaged to the wanted size, and of one channel where three are equal."""
    height, width = frames.shape[1:3]
    if min(height, width) > shortest:
        size = target_size(width, height, shortest)
        smaller = [
            Image.fromarray(frame).resize(size, Image.Resampling.BOX) for frame in map(np.ascontiguousarray, frames)
        ]
        frames = np.stack([np.asarray(frame) for frame in smaller])
    if frames.ndim == 4 and all(np.array_equal(frames[..., 0], frames[..., place]) for place in (1, 2)):
        frames = frames[..., 0]
    return np.ascontiguousarray(frames)


def target_size(width: int, height: int, shortest: int) -> tuple[int, int]:
    """The width and height whose shorter side is `shortest`, in nearly the same proportion."""
    shorter = min(width, height)
    return max(1, round(width * shortest / shorter)), max(1, round(height * shortest / shorter))


def over_black(colours: Pixels) -> Pixels:
    """``[..., 4]``, the last channel alpha, composited over black: ``[..., 3]``."""
    alpha = colours[..., 3:].astype(np.uint16)
    return ((colours[..., :3] * alpha + 127) // 255).astype(np.uint8)


def _frames(array: Array) -> Array:
    """The array as ``[frames, h, w]`` or ``[frames, h, w, 3 or 4]``."""
    if array.dtype.kind not in "buif":
        raise ImageError(f"it holds {array.dtype}; allowed: booleans, integers and floating point numbers")
    coloured = array.ndim > 2 and array.shape[-1] in (1, 3, 4)
    if array.ndim not in ((3, 4) if coloured else (2, 3)):
        allowed = "[height, width], [frames, height, width], or either with 1, 3 or 4 channels last"
        raise ImageError(f"it has the shape {list(array.shape)}; allowed: {allowed}")
    frames = array[None] if array.ndim == (3 if coloured else 2) else array
    return frames[..., 0] if coloured and frames.shape[-1] == 1 else frames
