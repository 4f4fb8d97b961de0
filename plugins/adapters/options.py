"""Options of the built-in adapters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medplug.core.config import Section


class LinearProbeOptions(Section):
    """``adapter.linear_probe.*``."""

    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0),
        min_length=1,
        description="inverse regularisation strengths to choose from on validation",
    )
    standardise: bool = Field(True, description="bring each feature to unit variance before the fit")


class FinetuneOptions(Section):
    """``adapter.finetune.*``."""

    freeze_embeddings: bool = Field(False, description="leave the word embeddings of a pretrained encoder as they are")
