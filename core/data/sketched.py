"""The sketches of texts and the prints of images, each content's made once a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data import near_image, near_text

if TYPE_CHECKING:
    from medplug.core.images.store import StoredImage

Flags = NDArray[np.bool_]
_Known = dict[Any, tuple[NDArray[Any], np.bool_]]
_Made = tuple[NDArray[Any], Flags]
_DIGEST = 16


class Sketches:
    """What was made of the texts and images that were asked for; of their content only digests are kept."""

    def __init__(self) -> None:
        self._texts: _Known = {}
        self._images: _Known = {}

    def of_texts(self, texts: Sequence[str]) -> tuple[near_text.Sketches, Flags]:
        """As `near_text.sketch`: ``[texts, BINS]``, and which are long enough ``[texts]``."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest() for text in texts]
        return _once(self._texts, keys, texts, near_text.sketch)

    def of_images(self, images: Sequence[StoredImage]) -> tuple[near_image.Prints, Flags]:
        """As `near_image.prints`: ``[images, BYTES]``, and which show enough to be told apart ``[images]``."""
        return _once(self._images, [image.digest for image in images], images, near_image.prints)


def _once(
    known: _Known,
    keys: Sequence[Any],
    values: Sequence[Any],
    make: Callable[[Sequence[Any]], _Made],
) -> _Made:
    new = {key: value for key, value in zip(keys, values, strict=True) if key not in known}
    made, told = make(list(new.values()))
    known.update(zip(new, zip(made, told, strict=True), strict=True))
    found = [known[key] for key in keys]
    rows = np.stack([row for row, _ in found]) if found else made
    return rows, np.array([flag for _, flag in found], dtype=np.bool_)
