"""What can be set for the adapter: ``adapter.bss.*``."""

from __future__ import annotations

from medplug.core.config import Section
from pydantic import Field, PositiveInt


class ShrinkageOptions(Section):
    """The options ``adapter.bss.*``; the defaults are those of the authors' published program."""

    trade_off: float = Field(0.001, ge=0, allow_inf_nan=False, description="what the penalty is multiplied by")
    smallest: PositiveInt = Field(1, description="how many singular values of a batch's features are shrunk (k)")
