"""What can be set for the one of them that works: ``adapter.unhurried.*``."""

from __future__ import annotations

from pydantic import Field

from medplug.core.config import Section


class Options(Section):
    """The options ``adapter.unhurried.*``."""

    trade_off: float = Field(0.001, ge=0, allow_inf_nan=False, description="what the squared logits are multiplied by")
