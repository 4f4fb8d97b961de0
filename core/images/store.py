"""Decoded images of a run, on disk and not in memory.

They are written once, one after another, to a file that has no name any more:
nothing of a patient stays behind, whatever happens to the process. Reads are
explicit and keep nothing, so memory stays flat however many images there are.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""``[frames, height, width]`` (grey) or ``[frames, height, width, 3]``; a plain picture has one frame."""


class ImageStore:
    """A growing file of images in `folder` (None: the system's own for temporary files); threads may add at once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - open as long as the store
        weakref.finalize(self, self._file.close)
        self._end = 0
        self._lock = threading.Lock()

    def add(self, pixels: Pixels) -> StoredImage:
        """Keep an image; gives the handle that reads it. `OSError` where the disk is full."""
        data = np.ascontiguousarray(pixels)
        if data.dtype != np.uint8 or not (data.ndim == 3 or (data.ndim == 4 and data.shape[3] == 3)):
            raise ValueError(f"pixels must be uint8 [frames, height, width(, 3)]; got {data.dtype} {data.shape}")
        content = data.data.cast("B") if data.size else memoryview(b"")
        with self._lock:
            offset, self._end = self._end, self._end + len(content)
        written = 0
        while written < len(content):
            written += os.pwrite(self._file.fileno(), content[written:], offset + written)
        return StoredImage(self, offset, data.shape, _digest(data.shape, content))

    def read(self, offset: int, shape: tuple[int, ...]) -> Pixels:
        """The bytes at a place as pixels of this shape."""
        pixels = np.empty(shape, dtype=np.uint8)
        if pixels.size:
            os.preadv(self._file.fileno(), [pixels.data.cast("B")], offset)
        return pixels

    def beside(self) -> ImageStore:
        """A new, empty store in the same folder."""
        return ImageStore(self.folder)


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """A handle to one image of a store: what tasks hand out as the raw value of an image.

    `digest` (16 bytes) is equal where pixels and shape are.
    """

    store: ImageStore
    offset: int
    shape: tuple[int, ...]
    digest: bytes

    def pixels(self) -> Pixels:
        """Its pixels, read anew."""
        return self.store.read(self.offset, self.shape)

    @property
    def frames(self) -> int:
        """How many slices it has; a plain picture has one."""
        return self.shape[0]

    @property
    def colour(self) -> bool:
        """Whether its pixels have three channels."""
        return len(self.shape) == 4


def _digest(shape: tuple[int, ...], content: Any) -> bytes:
    digest = hashlib.blake2b(repr(shape).encode(), digest_size=16)
    digest.update(content)
    return digest.digest()
