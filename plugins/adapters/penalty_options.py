"""Options of the adapters that add a penalty between the domains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from medplug.core.config import Section


class PenaltyOptions(Section):
    """What every penalty has."""

    trade_off: float = Field(1.0, ge=0, description="what the penalty is multiplied by")
    ramp: bool = Field(True, description="let it rise from 0 to its full strength over training")


class MmdOptions(PenaltyOptions):
    """``adapter.mmd.*``."""

    by_class: bool = Field(False, description="compare the domains class by class, the target's by its predictions")


class JmmdOptions(PenaltyOptions):
    """``adapter.jmmd.*``."""


class CoralOptions(PenaltyOptions):
    """``adapter.coral.*``."""

    trade_off: float = Field(10.0, ge=0, description="what the penalty is multiplied by")


class WassersteinOptions(PenaltyOptions):
    """``adapter.wasserstein.*``."""

    kind: Literal["sliced", "sinkhorn"] = Field(
        "sliced", description="averaged over lines, or by regularised transport"
    )
    projections: PositiveInt = Field(64, description="lines (sliced)")


class DannOptions(PenaltyOptions):
    """``adapter.dann.*``."""

    hidden: PositiveInt = Field(256, description="the width of the domain discriminator")


class CdanOptions(DannOptions):
    """``adapter.cdan.*``."""

    entropy: bool = Field(True, description="let certain rows count more (CDAN+E)")
    randomised: PositiveInt | None = Field(
        None, description="random products of features and classes (default: all, up to 4,096)"
    )


class EntropyOptions(PenaltyOptions):
    """``adapter.entropy.*``."""

    kind: Literal["confusion", "entropy", "infomax"] = Field(
        "confusion", description="minimum class confusion, entropy, or information maximisation"
    )


class LabelGraphOptions(PenaltyOptions):
    """``adapter.label_graph.*``."""

    temperature: float = Field(2.0, gt=0, description="softens the predictions whose class relations are compared")
