"""What the backbones of table rows have in common: the encoding of a row, and the columns as they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Backbone, Inputs
from medplug.core.config import Section
from medplug.core.data.encoding import BOUND, MISSING, UNKNOWN, Encoded, Encoding
from medplug.core.data.tabular import TableRow
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.registry import Source
from medplug.plugins.backbones.table_options import ColumnsOptions, GenesOptions

_A_TOKEN = 1024  # columns that cost about as much as a token of a small text encoder does


class TableBackbone(Backbone):
    """An encoder of table rows, whose scales and categories are those of the training rows.

    An item is one `Encoded` row. Weights are drawn from torch's global generator.
    """

    options_model: ClassVar[type[Section]]

    def __init__(self, options: Any, encoding: Encoding) -> None:
        super().__init__()
        self.options = options
        self._set_encoding(encoding)

    @classmethod
    def create(cls, options: Any, source: Source | None) -> Self:
        """Build it for no column, which `learn` changes; `BackboneError` if weights are given."""
        if source is not None:
            raise BackboneError(f"{cls.__name__} reads no weights; name it alone, as backbone=NAME")
        return cls(options, Encoding.empty())

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        return cls(cls.options_model.model_validate(assets["options"]), Encoding.from_json(assets["encoding"]))

    def assets(self) -> dict[str, Any]:
        """Options and encoding."""
        return {"options": self.options.model_dump(mode="json"), "encoding": self.encoding.to_json()}

    def learn(self, values: Sequence[TableRow], groups: Sequence[str] | None = None) -> None:
        """Learn scales and categories, and make a new network for them."""
        self._set_encoding(Encoding.learn(values, groups, log=self.logarithmic))

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm of every number is read."""
        return False

    def _set_encoding(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._build()

    @abstractmethod
    def _build(self) -> None:
        """Make the network for the encoding, and set `width`."""

    def prepare(self, values: Sequence[TableRow]) -> list[Encoded]:
        """Encode every row."""
        return self.encoding.encode(values).rows()

    def size(self, item: Encoded) -> int:
        """One token, of wide tables more: 1,024 columns count as one."""
        return 1 + self.encoding.width // _A_TOKEN

    def census(self, items: Sequence[Encoded]) -> dict[str, int]:
        """How many rows lack a value, have a category that training lacks, or a number that is held back."""
        counts = {
            "rows with missing values": sum(
                bool(np.isnan(item.numbers).any() or (item.codes == MISSING).any()) for item in items
            ),
            "rows with a category that training lacks": sum(bool((item.codes == UNKNOWN).any()) for item in items),
            f"rows with a number beyond {BOUND:g} standard deviations, read as {BOUND:g}": sum(
                bool((np.abs(item.numbers) >= BOUND).any()) for item in items
            ),
        }
        return {what: count for what, count in counts.items() if count}

    def reading(self) -> str:
        """How many columns of which kind there are."""
        numeric, entries = len(self.encoding.columns.numeric), self.encoding.entries
        told = f"{numeric} numbers, {len(entries)} categories ({sum(map(len, entries))} values known)"
        return f"{told}; logarithms of the numbers" if self.encoding.log else told


class DenseBackbone(TableBackbone):
    """A backbone that reads a row as one vector of numbers: standardised, with 0 or 1 for categories and for gaps."""

    def collate(self, items: Sequence[Encoded]) -> Inputs:
        """`columns` ``[batch, columns]``, without a NaN."""
        return {"columns": torch.from_numpy(self.encoding.dense(Encoded.stacked(items)))}


class Columns(DenseBackbone):
    """The columns themselves, without weights: what a linear head, row weights and alignments act on."""

    options_model = ColumnsOptions

    def _build(self) -> None:
        self.width = self.encoding.width

    def forward(self, inputs: Inputs) -> Features:
        """The vectors as they are."""
        return alone(inputs["columns"])


class Genes(DenseBackbone):
    """One projection of thousands of columns to a small width, a norm and a bend.

    Rows are few beside columns, so that most of the weights must not be trusted:
    dropout on the inputs withholds columns while training (Srivastava et al. 2014).
    """

    options_model = GenesOptions

    @property
    def logarithmic(self) -> bool:
        """As the option says."""
        logarithmic: bool = self.options.log
        return logarithmic

    def _build(self) -> None:
        self.width = self.options.hidden
        self.projection = nn.Linear(max(1, self.encoding.width), self.width)
        self.norm = nn.LayerNorm(self.width)

    def forward(self, inputs: Inputs) -> Features:
        """Project the columns."""
        seen = functional.dropout(inputs["columns"], self.options.input_dropout, self.training)
        hidden = functional.gelu(self.norm(self.projection(seen)))
        return alone(functional.dropout(hidden, self.options.dropout, self.training))


def alone(pooled: Tensor) -> Features:
    """The features of rows whose vector ``[batch, width]`` is their only token."""
    mask = torch.ones(len(pooled), 1, dtype=torch.bool, device=pooled.device)
    return Features(pooled, pooled.unsqueeze(1), mask)
