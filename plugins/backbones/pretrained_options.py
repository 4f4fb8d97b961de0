"""Options of pretrained text backbones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from medplug.core.config import Section


class PretrainedTextOptions(Section):
    """``backbone.*`` for text encoders and decoders read by transformers."""

    pooling: Literal["auto", "mean", "cls", "last"] = Field(
        "auto", description="how a window's tokens become one vector (auto: last for decoders, mean for encoders)"
    )
    window: PositiveInt = Field(256, description="the most tokens read at once; longer texts become several windows")
    overlap: NonNegativeInt = Field(32, description="tokens that neighbouring windows share")
    windows: PositiveInt = Field(16, description="the most windows of one text; what lies beyond is cut and counted")
    over_windows: Literal["mean", "max"] = Field("mean", description="how the windows of a text become one vector")
    attention_dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout on attention weights while training (0 lets attention run fused)"
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> PretrainedTextOptions:
        if self.overlap * 2 > self.window:
            raise ValueError(f"backbone.overlap={self.overlap} is more than half of backbone.window={self.window}")
        return self
