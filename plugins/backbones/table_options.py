"""Options of the backbones of table rows."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from medplug.core.config import Section


class ColumnsOptions(Section):
    """``backbone.*`` for the plain columns: there is nothing to choose."""


class GenesOptions(Section):
    """``backbone.*`` for wide tables of numbers."""

    log: bool = Field(False, description="read the logarithm of every number, log(1 + x), as counts want")
    hidden: PositiveInt = Field(128, description="the width of the projection, and of the features")
    input_dropout: float = Field(
        0.3, ge=0, lt=1, description="dropout on the columns while training, so that no one of them decides"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout on the features while training")


class TableNetworkOptions(Section):
    """What the networks of table rows have in common."""

    withheld: float = Field(
        0.1, ge=0, lt=1, description="the share of values withheld while training, so that any may be missing"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout inside the blocks while training")


class TabularResNetOptions(TableNetworkOptions):
    """``backbone.*`` for the residual network."""

    embedding: PositiveInt = Field(8, description="the width of a category's embedding")
    hidden: PositiveInt = Field(64, description="the width of the network, and of the features")
    expansion: PositiveInt = Field(2, description="how many times wider a block is inside")
    blocks: PositiveInt = Field(2, description="residual blocks on top of each other")


class TabularTransformerOptions(TableNetworkOptions):
    """``backbone.*`` for the transformer."""

    hidden: PositiveInt = Field(64, description="the width of a column's token, and of the features")
    heads: PositiveInt = Field(4, description="attention heads, which divide the width")
    blocks: PositiveInt = Field(2, description="transformer blocks on top of each other")
    attention_dropout: float = Field(0.2, ge=0, lt=1, description="dropout on the attention while training")
