"""The options of augmentation; torch is not imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medplug.core.config import Section


class AugmentOptions(Section):
    """How training pictures are changed at random; the defaults are mild, and never mirror a body."""

    flip: Literal["none", "horizontal", "both"] = Field(
        "none", description="mirror half of the pictures: left to right, or upside down as well"
    )
    rotate: float = Field(7.0, ge=0, le=180, description="the largest rotation, in degrees")
    shift: float = Field(0.05, ge=0, lt=1, description="the largest shift, as a share of the side")
    scale: float = Field(0.1, ge=0, lt=1, description="the largest relative change of size")
    contrast: float = Field(0.15, ge=0, lt=1, description="the largest relative change of contrast")
    brightness: float = Field(0.1, ge=0, lt=1, description="the largest change of brightness, as a share of its range")
    domains: Literal["both", "target"] = Field(
        "both", description="whose pictures are changed: those of all domains, or of the target domain only"
    )
    mixup: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="alpha of MixUp's Beta distribution (0: no MixUp; often 0.2)"
    )
    cutmix: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="alpha of CutMix's Beta distribution (0: no CutMix; often 1)"
    )
