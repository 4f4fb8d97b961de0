"""A light decoder from the feature maps of any backbone to a class for each pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate

CHANNELS_PER_GROUP = 8
"""Group normalisation's groups, and so what every level's width is a multiple of."""


class FeaturePyramidDecoder(nn.Module):
    """Logits ``[batch, classes, height, width]`` from feature maps ``[batch, widths[i], height_i, width_i]``.

    The maps come finest first, as timm's `features_only` gives them, of any
    heights and widths, equal ones too (a vision transformer's). From the
    coarsest on, each is brought to a level's width by a 1 x 1 convolution, the
    coarser result is scaled up to it bilinearly and added, and two
    depthwise-separable 3 x 3 convolutions mix the sum. A level is `width`
    wide, or less where its own map is narrower: a backbone keeps its finest
    maps narrow for their price, and so does this.

    Channels are normalised in groups (Wu and He, Group Normalization, 2018):
    each image by itself, since batches of 2 to 8 images are too few for batch
    normalisation's statistics. So a row's logits never depend on the other
    rows, in training neither. `width` must be a multiple of 8 (ValueError).

    Lin et al., Feature Pyramid Networks for Object Detection (2017).
    """

    def __init__(self, widths: Sequence[int], classes: int, width: int = 64) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"widths must give the channels of at least one feature map; got {list(widths)}")
        if classes < 2:
            raise ValueError(f"classes must be at least 2, the background among them; got {classes}")
        if width < CHANNELS_PER_GROUP or width % CHANNELS_PER_GROUP:
            raise ValueError(f"width must be a multiple of {CHANNELS_PER_GROUP}; got {width}")
        self.widths = tuple(widths)
        levels = [min(width, _whole_groups(channels)) for channels in widths]
        self.laterals = nn.ModuleList(nn.Conv2d(c, level, 1) for c, level in zip(widths, levels, strict=True))
        self.mixers = nn.ModuleList(
            _mixer(level, finer) for level, finer in zip(levels, levels[:1] + levels, strict=False)
        )
        self.classify = nn.Conv2d(levels[0], classes, 1)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The logits at `size` (height, width), scaled up bilinearly from the finest map's."""
        self._check(maps)
        *finer, coarsest = zip(maps, self.laterals, self.mixers, strict=True)
        features, lateral, mixer = coarsest
        mixed = mixer(lateral(features))
        for features, lateral, mixer in reversed(finer):
            mixed = mixer(lateral(features) + _scaled(mixed, features.shape[-2:]))
        return _scaled(self.classify(mixed), size)

    def _check(self, maps: Sequence[Tensor]) -> None:
        """Refuse maps of other widths, such as channels-last ones, before a convolution does in its own words."""
        shapes = [list(features.shape) for features in maps]
        if any(len(shape) != 4 for shape in shapes) or tuple(shape[1] for shape in shapes) != self.widths:
            wanted = f"{len(self.widths)} maps [batch, channels, height, width] of {list(self.widths)} channels"
            raise ValueError(f"the decoder was made for {wanted}; got shapes {shapes}")


def _whole_groups(channels: int) -> int:
    return -(-channels // CHANNELS_PER_GROUP) * CHANNELS_PER_GROUP


def _mixer(channels: int, outputs: int) -> nn.Module:
    # the second of them is a third of the cost, and found lesions better on frozen features
    return nn.Sequential(*_separable(channels, channels), *_separable(channels, outputs))


def _separable(channels: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, outputs, 1, bias=False),
        nn.GroupNorm(outputs // CHANNELS_PER_GROUP, outputs),
        nn.ReLU(inplace=True),
    ]


def _scaled(maps: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
