"""Options of the image backbones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt

from medplug.core.config import Section

Fit = Literal["squash", "pad", "crop"]
"""How a picture of other proportions becomes a square.

``squash``, the default, stretches it: the whole picture is kept, every pixel of
the network's input shows some of it, and predicted masks only have to be
stretched back. ``pad`` keeps the proportions, too, on a plain ground, at fewer
pixels. ``crop`` is what timm does to photographs: the margins are cut off, and in
medicine a lesion may lie there. (779 breast ultrasounds in their own proportions,
a linear probe on a frozen MobileNetV2, AUROC in ten folds: squash .936, pad .942,
crop .916.)
"""


def _each(value: Any) -> Any:
    """One number stands for all three channels."""
    return value if isinstance(value, list | tuple) else (value,) * 3


def _of_white(values: tuple[float, float, float]) -> tuple[float, float, float]:
    """Refuse numbers on the scale of bytes: a network that is given them still works, and works badly."""
    if not all(0 <= value <= 1 for value in values):
        raise ValueError("white is 1 here and black 0: divide numbers of the scale 0 to 255 by 255")
    return values


_Mean = Annotated[tuple[float, float, float], BeforeValidator(_each), AfterValidator(_of_white)]
_Std = Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], BeforeValidator(_each), AfterValidator(_of_white)]


class ImageOptions(Section):
    """What the image backbones have in common."""

    size: PositiveInt | None = Field(None, ge=8, description="the side of the square that the network sees, in pixels")
    fit: Fit = Field(
        "squash",
        description="how an image becomes a square: squash (all of it, stretched), pad (all of it, on a plain "
        "ground), crop (its middle, in timm's own proportions)",
    )
    slices: PositiveInt = Field(32, description="the most slices read of a volume, evenly spaced")
    over_slices: Literal["mean", "max"] = Field("mean", description="how the slices of a volume become one vector")


class PretrainedImageOptions(ImageOptions):
    """``backbone.*`` for the networks of timm; what is not given is as the weights were trained."""

    model: str | None = Field(None, description="timm's name of the network, needed for a lone file of weights")
    start: Literal["pretrained", "random"] = Field(
        "pretrained", description="random: the same network without its weights, to show what they are worth"
    )
    in_chans: Annotated[Literal["auto", "1", "3"], BeforeValidator(str)] = Field(
        "auto", description="channels read (auto: as trained, grey repeated; 1: the first convolution folded)"
    )
    pad_type: Literal["same"] | None = Field(None, description="same: pad as TensorFlow does, for weights from there")
    mean: _Mean | None = Field(
        None, description="what is taken off the pixels, where white is 1: one number, or one a channel"
    )
    std: _Std | None = Field(None, description="what they are divided by then")
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] | None = Field(
        None, description="how pixels are resampled"
    )


class CNNOptions(ImageOptions):
    """``backbone.*`` for the small network from scratch; its `size` is by default that of the images, at most 64."""

    width: PositiveInt = Field(128, ge=32, multiple_of=8, description="the features' width, that of the last blocks")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout on the features while training")
