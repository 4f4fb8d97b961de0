"""Masks from files and arrays: a whole number for each pixel, and what the numbers of a table of masks mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from medplug.core.images.quiet import quiet
from medplug.core.images.reading import ImageError
from medplug.core.images.scaling import target_size

Mask = NDArray[np.uint8]
"""``[height, width]``."""
Size = tuple[int, int]
"""Height and width, in pixels."""

MOST_CLASSES = 31
"""The largest number that names a class; larger ones count objects, or are white."""
SOME = 255
"""What stands for every number but 0 where one is larger than `MOST_CLASSES`."""

_BLURRED = ("JPEG", "MPO", "WEBP")
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112


def picture_size(path: Path) -> Size | None:
    """The size of a picture, upright, by its header; None where Pillow reads no such file."""
    try:
        with quiet(), Image.open(path) as image:
            return _upright_size(image)
    except Exception:  # Pillow raises many kinds; whoever decodes the file says what is wrong with it
        return None


def read_mask(path: Path, size: Size, shortest: int | None = None) -> Mask:
    """The mask in a picture's file, at its own size, which must be that of its image; see `compact`.

    Where `shortest` is given, `size` is that of an image that was scaled down
    until its shorter side was so long. Read are pictures of 1 bit, palettes
    (their indices), whole numbers of any width, and colours where all channels
    agree. Formats that blur (JPEG, WebP) must be black and white: what is at
    least half bright is white.

    Raises `ImageError` for any other file, before a large one is decoded.
    """
    try:
        with quiet(), Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise ImageError("it has several pages; a mask has one")
            check_same_size(_upright_size(image), size, shortest)
            numbers, blurred = np.asarray(ImageOps.exif_transpose(image)), image.format in _BLURRED
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("there is no such file; check the path") from None
    except Exception:  # Pillow raises many kinds, and some quote the header
        raise ImageError("it is cut off, damaged or no picture; copy or export it again") from None
    grey = _one_channel(numbers)
    return _black_and_white(grey) if blurred else compact(grey)


def check_same_size(mask: Size, image: Size, shortest: int | None = None) -> None:
    """Refuse a mask of another size than its image's (`shortest`: as in `read_mask`); `ImageError` names both."""
    scaled = mask if shortest is None or min(mask) <= shortest else target_size(*mask, shortest)
    if scaled != image:
        raise ImageError(
            f"the mask is {mask[1]} x {mask[0]} pixels and its image {image[1]} x {image[0]}"
            f"{' as it is kept' if shortest else ''}; give masks of their images' size"
        )


def compact(numbers: NDArray[Any]) -> Mask:
    """Whole numbers ``[height, width]`` as uint8: as they are, or, where one is above 31, 255 for all but 0.

    Raises `ImageError` for fractions, numbers below 0 and other shapes.
    """
    if numbers.ndim != 2 or numbers.dtype.kind not in "buif":
        raise ImageError(f"a mask is [height, width] of whole numbers; got {list(numbers.shape)} of {numbers.dtype}")
    if numbers.dtype.kind == "f" and not np.array_equal(numbers, np.rint(numbers)):
        raise ImageError("it holds fractions; a mask holds a whole number for each pixel")
    if numbers.size and numbers.min() < 0:
        raise ImageError("it holds numbers below 0; the background is 0 and classes count from 1")
    above = bool(numbers.size) and numbers.max() > MOST_CLASSES
    return np.where(numbers > 0, SOME, 0).astype(np.uint8) if above else numbers.astype(np.uint8)


def nearest(mask: Mask, size: Size) -> Mask:
    """The mask at another size, each pixel that of the nearest one."""
    rows, columns = (((np.arange(n) + 0.5) * old / n).astype(np.int64) for n, old in zip(size, mask.shape, strict=True))
    scaled: Mask = mask[rows[:, None], columns]
    return scaled


def highest_class(largest: Sequence[int]) -> int:
    """How many classes a table of masks has, by the largest number in each of them, as `compact` gives it.

    The numbers are classes, 1 and up, where none of the table is above 31; else,
    as of black and white masks or of numbered objects, all but 0 are one class.
    """
    highest = max(largest, default=0)
    return 1 if highest > MOST_CLASSES else highest


def _upright_size(image: Image.Image) -> Size:
    width, height = image.size
    return (width, height) if image.getexif().get(_ORIENTATION) in _TURNED else (height, width)


def _one_channel(numbers: NDArray[Any]) -> NDArray[Any]:
    """``[height, width]`` of a picture whose colours agree; a channel for transparency is left out."""
    if numbers.ndim == 2:
        return numbers
    colours = numbers[..., :-1] if numbers.shape[2] in (2, 4) else numbers
    if not (colours == colours[..., :1]).all():
        raise ImageError("it has colours; a mask holds one number for each pixel: 0 outside, a class's number inside")
    return colours[..., 0]


def _black_and_white(grey: NDArray[Any]) -> Mask:
    bright = grey >= 128
    if grey.any() and not bright.any():
        raise ImageError("it is dark and of a format that blurs; save masks that hold numbers as PNG")
    return np.where(bright, SOME, 0).astype(np.uint8)
