"""A small network for small images that learns from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.explaining.inside import Mapped
from medplug.core.features import Features
from medplug.core.images.store import StoredImage
from medplug.core.pretrained import refuse_weights
from medplug.core.registry import Source
from medplug.plugins.backbones.image_backbone import ImageBackbone
from medplug.plugins.backbones.image_options import CNNOptions
from medplug.plugins.backbones.pictures import Pictures, View

_LARGEST = 64  # pixels; details that need more are better learned from pretrained weights
_STEM = 3  # a convolution, its norm and its bend stand before the blocks
_SAMPLE = 500  # images that the scale is learned from


class CNN(ImageBackbone):
    """Residual convolutions in four stages, each of half the side of the one before (He et al. 2016).

    Made for 28 to 64 pixels. The scale (size, colours, mean and deviation) is
    that of the training images.
    """

    cell: ClassVar[int] = 8  # its finest maps are as large as the image

    def __init__(self, options: CNNOptions, view: View) -> None:
        super().__init__(view, options.over_slices)
        self.options = options
        self.width = options.width
        self._build()

    @classmethod
    def create(cls, options: CNNOptions, source: Source | None) -> Self:
        """Build it on a scale which `learn` replaces; `BackboneError` if weights are given."""
        refuse_weights(cls, source, name="cnn")
        size = options.size or _LARGEST
        return cls(options, View(size, 1, (0.5,), (0.25,), options.fit, "bilinear", 1.0, options.slices))

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        return cls(CNNOptions.model_validate(assets["options"]), View.from_json(assets["view"]))

    def assets(self) -> dict[str, Any]:
        """Options and scale."""
        return {"options": self.options.model_dump(mode="json"), "view": self.view.to_json()}

    def learn(self, values: Sequence[StoredImage], groups: Sequence[str] | None = None) -> None:
        """Learn the usual size, whether there are colours, and the pixels' mean and deviation."""
        usual = int(np.median([min(value.shape[1:3]) for value in values]))
        channels = 3 if any(value.colour for value in values) else 1
        view = replace(self.view, size=self.options.size or min(max(usual, 8), _LARGEST), channels=channels)
        mean, std = _scale(values, view)
        self.set_view(replace(view, mean=mean, std=std))
        self._build()

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        """Features, and the maps before the first block and after each."""
        begin, end = self.network[:_STEM], self.network[_STEM + 1 :]
        maps = [begin(self.normalised(inputs["pixels"]))]
        for block in self.network[_STEM].children():
            maps.append(block(maps[-1]))
        return self.pictured(end(maps[-1]).float()), maps

    def inside(self) -> Mapped:
        """The maps behind the last block."""
        return Mapped(self.owner, self.shown, self.network[_STEM])

    def _build(self) -> None:
        """A network with new weights, from torch's global generator."""
        self.network: nn.Sequential = residual_network(self.view.channels, self.width, self.options.dropout)
        if self.view.fit == "squash":
            self.map_widths = tuple(self.width // 8 * step for step in (1, 2, 4, 8))


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a way around them."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*_convolution(channels, width, stride), nn.ReLU(), *_convolution(width, width, 1))
        around = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
        self.around = nn.Sequential(*around, *([] if channels == width else _convolution(channels, width, 1, side=1)))

    def forward(self, maps: Tensor) -> Tensor:
        """``[batch, channels, height, width]`` to maps of the block's width, the sides divided by its stride."""
        mixed: Tensor = (self.around(maps) + self.inner(maps)).relu()
        return mixed


class Pooling(nn.Module):
    """Half the mean and half the maximum of each map: a lesion in a corner counts as much as the ground around it."""

    def forward(self, maps: Tensor) -> Tensor:
        """``[batch, channels, height, width]`` to ``[batch, channels]``."""
        pooled: Tensor = (maps.mean((2, 3)) + maps.amax((2, 3))) / 2
        return pooled


def residual_network(channels: int, width: int, dropout: float) -> nn.Sequential:
    """Images ``[batch, channels, side, side]`` to vectors ``[batch, width]``."""
    widths = [width // 8 * step for step in (2, 4, 8)]
    blocks = [Block(a, b, 2) for a, b in zip([width // 8, *widths], widths, strict=False)]
    return nn.Sequential(
        *_convolution(channels, width // 8, 1),
        nn.ReLU(),
        nn.Sequential(*blocks),
        Pooling(),
        nn.Dropout(dropout),
    )


def _convolution(channels: int, width: int, stride: int, side: int = 3) -> list[nn.Module]:
    layer = nn.Conv2d(channels, width, side, stride, side // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return [layer, Norm(width)]


class Norm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy, 2015) by what it has seen where a batch has one value a map.

    So has the only image of a batch, where it is tiny; a single value has no deviation.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """``[batch, channels, height, width]`` to the same shape."""
        if maps.numel() > maps.shape[1]:
            return super().forward(maps)
        return functional.batch_norm(maps, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _scale(values: Sequence[StoredImage], view: View) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation a channel of some of the images as the network will see them, where white is 1."""
    pictures = Pictures(view)
    pictures.prepare(values[:: -(-len(values) // _SAMPLE)])
    counts = pictures.levels.counts[: view.channels].astype(np.float64)  # of grey images all channels are alike
    shares, levels = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = shares @ levels
    std = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(1))
    return tuple(mean.tolist()), tuple(np.maximum(std, 1e-2).tolist())
