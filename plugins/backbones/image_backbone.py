"""What the image backbones have in common: preparing pictures, and pooling the slices of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.images.store import StoredImage
from medplug.plugins.backbones.pictures import Picture, Pictures, View

_LUMA = (0.299, 0.587, 0.114)  # Rec. 601, as Pillow turns colours grey
_PIECE = (
    2**18
)  # pixels at once on a CPU: the maps of more do not fit its caches, and each is fresh memory from the system
_FITTED = {"squash": "squashed", "pad": "padded", "crop": "cropped"}


class ImageBackbone(Backbone):
    """A network of pictures, and of volumes slice by slice.

    An item is a `Picture`. A batch holds the slices of all rows on top of each
    other; the vectors of a row's slices are its tokens, and are pooled.
    """

    cell: ClassVar[int]
    """The side of the square of pixels that costs as much as a token does."""

    network: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(self, view: View, over_slices: Literal["mean", "max"]) -> None:
        super().__init__()
        self.over_slices = over_slices
        self.set_view(view)

    def set_view(self, view: View) -> None:
        """Say what the network is given."""
        self.view, self.pictures = view, Pictures(view)
        for name, values in (("mean", view.mean), ("std", view.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def prepare(self, values: Sequence[StoredImage]) -> list[Picture]:
        """Bring every image to the network's size, once, on disk beside the store it comes from."""
        return self.pictures.prepare(values)

    def size(self, item: Picture) -> int:
        """Squares of `cell` x `cell` pixels in all its slices."""
        return item.image.frames * int(-(-self.view.size // self.cell)) ** 2

    def collate(self, items: Sequence[Picture]) -> Inputs:
        """`pixels` uint8 ``[slices, channels, size, size]``, `owner` ``[slices]`` and `grid` ``[batch, most]``.

        Channels are 3 where any item has colours, else 1. ``owner`` is the row of
        each slice; ``grid[row, i]`` is the place of the row's i-th slice, or the
        number of slices where it has fewer.
        """
        frames = np.array([item.image.frames for item in items])
        ends, side = frames.cumsum(), self.view.size
        channels = 3 if any(item.image.colour for item in items) else 1
        pixels = np.empty((ends[-1], side, side, channels), dtype=np.uint8)
        for item, end in zip(items, ends, strict=True):
            shown = item.image.pixels()
            pixels[end - len(shown) : end] = shown if item.image.colour else shown[..., None]
        step = np.arange(frames.max())
        grid = np.where(step < frames[:, None], (ends - frames)[:, None] + step, ends[-1])
        owner = np.repeat(np.arange(len(items)), frames)
        return {
            "pixels": torch.from_numpy(pixels).permute(0, 3, 1, 2),  # channels last in memory, as networks are fastest
            "owner": torch.from_numpy(owner),
            "grid": torch.from_numpy(grid),
        }

    def forward(self, inputs: Inputs) -> Features:
        """Encode every slice and pool those of a row; a plain picture is its own and only token."""
        pooled, grid = self._encoded(inputs["pixels"]), inputs["grid"]
        if grid.shape[1] == 1:
            return self.pictured(pooled)
        mask = grid < len(pooled)
        tokens = torch.cat([pooled, pooled.new_zeros(1, self.width)])[grid]  # [batch, most, width]
        if self.over_slices == "max":
            return Features(tokens.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1), tokens, mask)
        return Features(tokens.sum(1) / mask.sum(1, keepdim=True), tokens, mask)

    @staticmethod
    def pictured(pooled: Tensor) -> Features:
        """The features of plain pictures, of whose vectors ``[batch, width]`` each is a row's only token."""
        mask = torch.ones(len(pooled), 1, dtype=torch.bool, device=pooled.device)
        return Features(pooled, pooled.unsqueeze(1), mask)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels 0..255 ``[slices, 1 or 3, size, size]`` as the network takes them, with its own channels."""
        values = pixels.to(self.mean.dtype)
        if values.shape[1] > self.view.channels:
            values = (values * values.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
        values = (values / 255 - self.mean) / self.std  # grey is repeated where the network has colours
        if values.shape[1] == 1:  # one channel lies in memory in either order: say that it is the last
            return values.reshape(len(values), *values.shape[2:], 1).permute(0, 3, 1, 2)
        return values.contiguous(memory_format=torch.channels_last)

    def shown(self, items: Sequence[Picture]) -> list[NDArray[np.uint8]]:
        """The pixels of every item, as `Pictured.shown`."""
        return [item.image.pixels() for item in items]

    @staticmethod
    def owner(inputs: Inputs) -> Tensor:
        """Whose slice each is, as `Pictured.owner`."""
        return inputs["owner"]

    def masks(self, masks: Sequence[StoredImage]) -> list[StoredImage]:
        """The masks stretched to the network's size, each pixel the nearest's class."""
        nearest = replace(self.view, interpolation="nearest", slices=1)
        return [picture.image for picture in Pictures(nearest).prepare(masks)]

    def _encoded(self, pixels: Tensor) -> Tensor:
        """One vector a slice ``[slices, width]``, in float32 or better."""
        whole = self.training or torch.is_grad_enabled() or pixels.device.type != "cpu"
        pieces = [pixels] if whole else torch.split(pixels, max(1, _PIECE // pixels[0, 0].numel()))
        vectors = torch.cat([self.network(self.normalised(piece)) for piece in pieces])
        return vectors if vectors.dtype == torch.float64 else vectors.float()

    def census(self, items: Sequence[Picture]) -> dict[str, int]:
        """How many rows have several slices, lost some, or show nothing."""
        counts = {
            "rows of several slices": sum(item.image.frames > 1 for item in items),
            f"rows thinned to {self.view.slices} slices": sum(item.thinned for item in items),
            "rows that are one flat colour": sum(item.flat for item in items),
        }
        return {what: count for what, count in counts.items() if count}

    def reading(self) -> str:
        """Size, channels and range of the pixels that the network was given so far."""
        view, levels = self.view, self.pictures.levels
        told = f"{view.channels} x {view.size} x {view.size}, {_FITTED[view.fit]}"
        if view.channels == 3 and levels.grey:
            told += ", grey repeated"
        if view.channels == 1 and levels.colour:
            told += ", colours made grey"
        if levels.grey or levels.colour:
            told += "; pixels {:.2f} to {:.2f}, mean {:.2f}".format(*levels.range(view))
        return f"{told} (mean {_told(view.mean)}, std {_told(view.std)} taken off)"


def _told(values: tuple[float, ...]) -> str:
    """One number where all channels have the same, else all of them."""
    return " ".join(f"{value:.3g}" for value in (values[:1] if len(set(values)) == 1 else values))
