"""Images that are nearly the same: resized, encoded anew, brighter or darker, and otherwise alike.

By a perceptual hash: the signs of the lowest frequencies of a small grey copy
(Zauner, Implementation and benchmarking of perceptual image hash functions,
2010), here 256 bits of 16 x 16 frequencies, since 64 do not tell one chest
radiograph from the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.linking import Chains, Pairs, bands, candidates, likeness

if TYPE_CHECKING:
    from medplug.core.images.store import StoredImage

Prints = NDArray[np.uint8]
"""``[images, BYTES]``: 256 bits each."""

BYTES = 32
ALIKE = 16
"""Bits of 256 that two images nearly the same may differ in.

Measured on 100 images of each set: JPEG copies of quality 60 to 90, copies of half, three quarters and twice the size,
and resized JPEG copies differ in 11 bits at most (ultrasound, radiographs, microscopy). Of images of 28 x 28 pixels
those of quality 75 and of three quarters of the size differ in 14, while quality 60 and half the size are not found.
Different radiographs of PneumoniaMNIST differ in 43 and more, those of other sets in 30, but for frames of one scan.
"""
_SIDE, _KEPT = 32, 16
_FLAT = 2.0
"""Grey levels of deviation below which an image shows nothing that could be told apart."""
BANDS = 16
_MEANT = (
    f"images whose small copies agree in all but {ALIKE} of {8 * BYTES} signs of their lowest frequencies, as resized "
    "and re-encoded ones do, or a chain of such images"
)


def meaning() -> str:
    """What nearly the same means, in words."""
    return _MEANT


def prints(images: Sequence[StoredImage]) -> tuple[Prints, NDArray[np.bool_]]:
    """The hashes of images, of volumes that of the middle slice, and which show enough to be told apart ``[images]``.

    Takes about 1 ms an image of 512 x 512 pixels.
    """
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(_small, images))
    small = np.stack([np.zeros((_SIDE, _SIDE), dtype=np.float64), *found])[1:]
    low = (_COSINES @ small @ _COSINES.T).reshape(len(found), _KEPT * _KEPT)
    low[:, 0] = 0.0  # the brightness
    return np.packbits(low[:, _ORDER] > 0, axis=1), small.std(axis=(1, 2)) >= _FLAT


def _small(image: StoredImage) -> NDArray[np.float64]:
    """A grey copy of 32 x 32."""
    from PIL import Image

    middle = image.pixels()[image.frames // 2]
    picture = Image.fromarray(middle) if not image.colour else Image.fromarray(middle).convert("L")
    small = picture.convert("F").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)  # box filters tell sizes apart
    return np.asarray(small, dtype=np.float64)


def _cosines() -> NDArray[np.float64]:
    """The first 16 rows of the discrete cosine transform (type II) of 32 values."""
    waves = np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(waves)


_COSINES = _cosines()
_ORDER = np.random.default_rng(0).permutation(_KEPT * _KEPT)
"""So that each band has low and high frequencies: the lowest alone are those of all chest radiographs."""


def differing(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """In how many bits hashes side by side ``[pairs, BYTES]`` differ."""
    return np.asarray(np.unpackbits(np.bitwise_xor(first, second), axis=1).sum(axis=1), dtype=np.float64)


def near_pairs(found: Prints) -> Pairs:
    """The pairs of hashes that are nearly the same, but for those in a crowd, which a chain links."""
    pairs = candidates(bands(found, BANDS))
    return pairs[likeness(found, found, pairs, differing) <= ALIKE]


def clusters(
    images: Sequence[StoredImage], made: tuple[Prints, NDArray[np.bool_]] | None = None
) -> tuple[list[int], NDArray[np.bool_]]:
    """One number an image, equal where chains of nearly the same link two, and which were compared ``[images]``.

    `made` is what `prints` gives of them, where it is known.
    """
    found, told = made or prints(images)
    at, chains = np.flatnonzero(told), Chains(len(images))
    for first, second in at[near_pairs(found[at])].tolist():
        chains.join(first, second)
    return chains.numbers(), told
