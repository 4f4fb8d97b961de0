"""Options of the text encoders that learn from scratch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from medplug.core.config import Section


class ScratchTextOptions(Section):
    """What the encoders have in common: the vocabulary and its embedding."""

    units: Literal["auto", "words", "characters"] = Field(
        "auto", description="what a token is (auto: characters where most letters are ideographs, else words)"
    )
    ngrams: int = Field(2, ge=1, le=2, description="2: pairs of neighbouring units have embeddings of their own, too")
    min_count: PositiveInt = Field(
        2, description="the fewest training texts that must hold an entry for it to be known (and saved in the model)"
    )
    max_size: PositiveInt = Field(50_000, description="the most entries of the vocabulary")
    window: PositiveInt = Field(512, description="the most tokens read of a text; what lies beyond is cut and counted")
    embedding: PositiveInt = Field(200, description="the width of the embedding")
    embedding_dropout: float = Field(0.2, ge=0, lt=1, description="dropout on the embeddings while training")
    unit_dropout: float = Field(
        0.3, ge=0, lt=1, description="the share of tokens made unknown while training, so that no one word decides"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout on the pooled features while training")


class TextCNNOptions(ScratchTextOptions):
    """``backbone.*`` for the convolutional encoder."""

    kernels: tuple[PositiveInt, ...] = Field(
        (1, 2, 3), min_length=1, description="widths of the convolutions, in tokens"
    )
    filters: PositiveInt = Field(128, description="filters of each width; the features are as wide as all of them")


class RecurrentTextOptions(ScratchTextOptions):
    """``backbone.*`` for the recurrent encoders."""

    hidden: PositiveInt = Field(192, description="the width of the state in each direction; the features are twice it")
    layers: PositiveInt = Field(1, description="recurrent layers on top of each other")


class TextLSTMOptions(RecurrentTextOptions):
    """``backbone.*`` for the LSTM."""


class TextGRUOptions(RecurrentTextOptions):
    """``backbone.*`` for the GRU."""
