"""What can be set for the backbone: ``backbone.*``."""

from __future__ import annotations

from medplug.core.config import Section
from pydantic import Field


class StaticVectorsOptions(Section):
    """The options ``backbone.*``."""

    smoothing: float = Field(1e-3, gt=0, description="a of the weight a / (a + p) of a token of probability p")
    common: bool = Field(True, description="remove the direction that the training texts have in common")
    window: int = Field(1024, ge=1, description="the most tokens of a text that are read, from its beginning")
