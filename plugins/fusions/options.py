"""Options of the fusions."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from medplug.core.config import FusionConfig


class ConcatOptions(FusionConfig):
    """``fusion.*`` of concat."""


class FeedForwardOptions(FusionConfig):
    """``fusion.*`` of feed_forward."""

    hidden: tuple[PositiveInt, ...] = Field(
        (256,), min_length=1, description="the widths of the layers, as [1024,1024,512]"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout behind each layer while training")
    normalised: bool = Field(False, description="layer norm in each layer")


class _Hidden(FusionConfig):
    """What all fusions have that learn a joint space."""

    hidden: PositiveInt = Field(128, description="the width of the joint features")


class _Attention(_Hidden):
    """What the fusions by attention have."""

    heads: PositiveInt = Field(4, description="attention heads; they divide fusion.hidden")
    dropout: float = Field(0.1, ge=0, lt=1, description="the share of what a layer adds that is dropped in training")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(
                f"fusion.hidden must be a multiple of fusion.heads; got {self.hidden} and {self.heads} heads"
            )
        return self


class GatedOptions(_Hidden):
    """``fusion.*`` of gated."""


class LowRankOptions(_Hidden):
    """``fusion.*`` of lowrank."""

    rank: PositiveInt = Field(4, description="how many products of factors are summed")


class FilmOptions(_Hidden):
    """``fusion.*`` of film."""

    base: str | None = Field(
        None, description="the modality that the others modulate (default: the widest, the first by name of several)"
    )


class HybridOptions(_Hidden):
    """``fusion.*`` of hybrid."""


class LateOptions(FusionConfig):
    """``fusion.*`` of late."""

    combine: Literal["mean", "stacked"] = Field(
        "mean", description="how the modalities' logits are averaged: equally, or with learned weights"
    )


class CrossAttentionOptions(_Attention):
    """``fusion.*`` of cross_attention."""


class BottleneckOptions(_Attention):
    """``fusion.*`` of bottleneck."""

    latents: PositiveInt = Field(4, description="how many latent tokens the modalities meet in")
    layers: PositiveInt = Field(2, description="how often the latents look at the tokens")


class BilinearAttentionOptions(_Hidden):
    """``fusion.*`` of bilinear_attention."""

    glimpses: PositiveInt = Field(2, description="attention maps a pair of modalities")
