"""Images as a network takes them: every one resized once to the network's input size and kept as bytes on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medplug.core.images.store import ImageStore, StoredImage
from medplug.plugins.backbones.image_options import Fit

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class View:
    """What a network is given: `channels` x `size` x `size` pixels, of which `mean` and `std` are taken off.

    `mean` and `std` (one number a channel) are on the scale where white is 1.
    `crop_pct` is the share of the shorter side that ``fit=crop`` leaves, as timm
    means it; of a volume at most `slices` evenly spaced frames are kept.
    """

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit
    interpolation: str
    crop_pct: float
    slices: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` described."""
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"])})

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON data."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    def changes(self, image: StoredImage) -> bool:
        """Whether preparing alters the image at all."""
        cropped = self.fit == "crop" and self._scaled != self.size
        return cropped or image.shape[1:3] != (self.size, self.size) or image.frames > self.slices

    def kept(self, frames: int) -> NDArray[np.int64]:
        """The numbers of the frames that are kept: all, or the middles of `slices` equal parts."""
        if frames <= self.slices:
            return np.arange(frames)
        return ((np.arange(self.slices) + 0.5) * frames / self.slices).astype(np.int64)

    def of(self, image: Image.Image) -> Image.Image:
        """One picture at the network's size, by `fit`; Pillow's resampling weighs all pixels (antialiasing)."""
        how = Image.Resampling[self.interpolation.upper()]
        if self.fit == "squash":
            return image.resize((self.size, self.size), how)
        if self.fit == "pad":
            return self._padded(image, how)
        shorter = min(image.size)
        width, height = (int(self._scaled * side / shorter) for side in image.size)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        scaled = image.resize((width, height), how)
        return scaled.crop((left, top, left + self.size, top + self.size))

    def _padded(self, image: Image.Image, how: Image.Resampling) -> Image.Image:
        """The whole picture in its own proportions, on a ground of the mean colour, which the network sees as 0."""
        longer = max(image.size)
        scaled = image.resize([max(1, round(self.size * side / longer)) for side in image.size], how)
        ground = [round(255 * value) for value in self.mean]
        grey = round(sum(ground) / len(ground))
        colour = grey if image.mode == "L" else tuple(ground) if self.channels == 3 else (grey,) * 3
        whole = Image.new(image.mode, (self.size, self.size), colour)
        whole.paste(scaled, ((self.size - scaled.width) // 2, (self.size - scaled.height) // 2))
        return whole

    @property
    def _scaled(self) -> int:
        """The shorter side before ``fit=crop`` cuts."""
        return int(self.size / self.crop_pct)


@dataclass(frozen=True, slots=True)
class Picture:
    """One prepared row: its pixels ``[slices, size, size]`` or ``[slices, size, size, 3]``, and what was noticed.

    `thinned` says that a volume had more slices, `flat` that all pixels are alike.
    """

    image: StoredImage
    thinned: bool
    flat: bool


@dataclass(slots=True)
class Levels:
    """How often each grey level 0..255 was given to the network, by channel: ``[3, 256]``."""

    counts: Counts = field(default_factory=lambda: np.zeros((3, 256), dtype=np.int64))
    grey: bool = False
    colour: bool = False

    def add(self, counts: Counts) -> None:
        """Count one picture's levels ``[1 or 3, 256]``."""
        self.counts += counts
        self.grey |= len(counts) == 1
        self.colour |= len(counts) == 3

    def range(self, view: View) -> tuple[float, float, float]:
        """The smallest, largest and mean pixel as the network sees them, over all channels."""
        mean, std = (np.array(values)[:, None] for values in (view.mean, view.std))
        counts = self.counts if view.channels == 3 else self.counts.mean(0, keepdims=True)
        values = np.broadcast_to((np.arange(256) / 255 - mean) / std, counts.shape)
        seen = values[counts > 0]
        return float(seen.min()), float(seen.max()), float((values * counts).sum() / counts.sum())


@dataclass(frozen=True, slots=True)
class _Made:
    """What became of an image: its pixels in the store beside its own, None where it stays as it is."""

    image: StoredImage | None
    thinned: bool
    flat: bool


class Pictures:
    """Images brought to a network's `View`, each once, however often it is asked for.

    What was made of a store lies in a store beside it, and goes when it goes.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.levels = Levels()
        self._shelves: WeakKeyDictionary[ImageStore, tuple[ImageStore, dict[bytes, _Made]]] = WeakKeyDictionary()

    def __deepcopy__(self, memo: Any) -> Pictures:
        return Pictures(self.view)  # open files cannot be copied: the copy of a network prepares anew

    def prepare(self, values: Sequence[StoredImage]) -> list[Picture]:
        """The images as the network takes them, by as many threads as there are processors.

        No more of them are in memory at a time than there are threads, and those
        that have the right size already are not written again.
        """
        missing = list({(id(v.store), v.digest): v for v in values if v.digest not in self._shelf(v.store)[1]}.values())
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
            for value, (made, levels) in zip(missing, threads.map(self._make, missing), strict=True):
                self._shelf(value.store)[1][value.digest] = made
                self.levels.add(levels)
        found = ((value, self._shelf(value.store)[1][value.digest]) for value in values)
        return [Picture(made.image or value, made.thinned, made.flat) for value, made in found]

    def _shelf(self, store: ImageStore) -> tuple[ImageStore, dict[bytes, _Made]]:
        """Where the prepared images of a store go, and what was made of each, by its digest.

        Nothing in it refers to `store`, which would then never go.
        """
        if store not in self._shelves:
            self._shelves[store] = store.beside(), {}
        return self._shelves[store]

    def _make(self, value: StoredImage) -> tuple[_Made, Counts]:
        """One image at the network's size, and its levels ``[1 or 3, 256]``."""
        view, pixels = self.view, value.pixels()
        changes = view.changes(value)
        frames = [Image.fromarray(pixels[frame]) for frame in view.kept(value.frames)]
        slices = [view.of(frame) for frame in frames] if changes else frames
        levels = sum(np.array(each.histogram(), dtype=np.int64).reshape(-1, 256) for each in slices)
        assert isinstance(levels, np.ndarray)
        image = self._shelf(value.store)[0].add(np.stack([np.asarray(s) for s in slices])) if changes else None
        flat = bool(((levels > 0).sum(1) == 1).all())
        return _Made(image, value.frames > view.slices, flat), levels
