"""Options of backbones that write."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from medplug.core.config import Section


class GeneratorOptions(Section):
    """``backbone.*`` for text models that write answers."""

    window: PositiveInt = Field(
        1024, description="the most tokens read at once, of a causal model with its answer; passages are cut to fit"
    )
