"""Networks of table rows that learn from scratch: a residual network, and a transformer over columns.

Source of both: Gorishniy et al. (2021), "Revisiting Deep Learning Models for
Tabular Data". Unlike there, layers are normed row by row (LayerNorm), because the
last batch may hold a single row and domains are not to be mixed; values may be
missing; and in training a share of the values is withheld, so that what stands
for a missing value is learned where training rows lack none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.data.encoding import FIRST, MISSING, Encoded
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.plugins.backbones.table_backbone import TableBackbone, alone
from medplug.plugins.backbones.table_options import TabularResNetOptions, TabularTransformerOptions

_MOST_COLUMNS = 2048  # each is a token that attends to all others


class _Values(NamedTuple):
    """A batch: `numbers` ``[batch, numeric]``, 0 where `missing` is True, and `codes` ``[batch, categorical]``."""

    numbers: Tensor
    missing: Tensor
    codes: Tensor


class TableNetwork(TableBackbone):
    """A network that reads numbers, categories and what is missing apart."""

    def collate(self, items: Sequence[Encoded]) -> Inputs:
        """`numbers` ``[batch, numeric]`` without a NaN, `missing` likewise, `codes` ``[batch, categorical]``."""
        rows = Encoded.stacked(items)
        missing = np.isnan(rows.numbers)
        return {
            "numbers": torch.from_numpy(np.where(missing, np.float32(0), rows.numbers)),
            "missing": torch.from_numpy(missing),
            "codes": torch.from_numpy(rows.codes),
        }

    def _seen(self, inputs: Inputs) -> _Values:
        """The values of a batch, less those that are withheld in training."""
        values, share = _Values(inputs["numbers"], inputs["missing"], inputs["codes"]), self.options.withheld
        if not self.training or not share:
            return values
        gone = torch.rand_like(values.numbers) < share
        unnamed = torch.rand(values.codes.shape, device=values.codes.device) < share
        return _Values(
            values.numbers.masked_fill(gone, 0.0), values.missing | gone, values.codes.masked_fill(unnamed, MISSING)
        )


class CategoryEmbedding(nn.Module):
    """A vector for every known category of every column, and one a column for a missing or unknown one."""

    offsets: Tensor

    def __init__(self, known: Sequence[int], width: int) -> None:
        super().__init__()
        sizes = [count + 1 for count in known]
        self.register_buffer("offsets", torch.tensor([0, *sizes]).cumsum(0)[:-1], persistent=False)
        self.table = nn.Embedding(sum(sizes), width)
        nn.init.uniform_(self.table.weight, -(width**-0.5), width**-0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """Codes ``[batch, categorical]`` to ``[batch, categorical, width]``."""
        embedded: Tensor = self.table((codes - (FIRST - 1)).clamp(min=0) + self.offsets)
        return embedded


class TabularResNet(TableNetwork):
    """Residual blocks on the numbers and the embeddings of the categories; the features are the last layer's."""

    options_model = TabularResNetOptions

    def _build(self) -> None:
        options, known = self.options, [len(entries) for entries in self.encoding.entries]
        numeric, self.width = len(self.encoding.columns.numeric), options.hidden
        self.categories = CategoryEmbedding(known, options.embedding) if known else None
        self.first = nn.Linear(max(1, 2 * numeric + options.embedding * len(known)), self.width)
        inside = options.expansion * self.width
        self.blocks = nn.Sequential(*(Residual(self.width, inside, options.dropout) for _ in range(options.blocks)))
        self.norm = nn.LayerNorm(self.width)

    def forward(self, inputs: Inputs) -> Features:
        """Encode one batch."""
        values = self._seen(inputs)
        parts = [values.numbers, values.missing.to(values.numbers.dtype)]
        if self.categories is not None:
            parts.append(self.categories(values.codes).flatten(1))
        return alone(self.norm(self.blocks(self.first(torch.cat(parts, 1)))).relu())


class Residual(nn.Module):
    """Two layers beside a way around them."""

    def __init__(self, width: int, inside: int, dropout: float) -> None:
        super().__init__()
        layers = nn.LayerNorm(width), nn.Linear(width, inside), nn.ReLU(), nn.Dropout(dropout)
        self.inner = nn.Sequential(*layers, nn.Linear(inside, width), nn.Dropout(dropout))

    def forward(self, rows: Tensor) -> Tensor:
        """``[batch, width]`` to the same shape."""
        mixed: Tensor = rows + self.inner(rows)
        return mixed


class TabularTransformer(TableNetwork):
    """A transformer whose tokens are the columns; a token of its own, that reads all of them, gives the features.

    A number's token is ``number * weight + bias`` of its column, a category's its
    embedding, and a missing number's is learned for its column.
    """

    options_model = TabularTransformerOptions

    def _build(self) -> None:
        options, known = self.options, [len(entries) for entries in self.encoding.entries]
        numeric, self.width = len(self.encoding.columns.numeric), options.hidden
        if options.hidden % options.heads:
            raise BackboneError(
                f"backbone.hidden={options.hidden} is not divided by backbone.heads={options.heads}; choose a multiple"
            )
        if numeric + len(known) > _MOST_COLUMNS:
            raise BackboneError(
                f"tabular_transformer reads every column as a token, {_MOST_COLUMNS} at most, and the table has "
                f"{numeric + len(known)}; use backbone=genes or backbone=tabular_resnet"
            )
        self.categories = CategoryEmbedding(known, self.width) if known else None
        self.reader, self.weight, self.bias, self.missing = (
            nn.Parameter(_drawn(rows, self.width)) for rows in (1, numeric, numeric, numeric)
        )
        self.blocks = nn.Sequential(
            *(
                _Block(self.width, options.heads, options.dropout, options.attention_dropout)
                for _ in range(options.blocks)
            )
        )
        self.norm = nn.LayerNorm(self.width)

    def size(self, item: Encoded) -> int:
        """One token a column, and the one that reads them."""
        return 1 + len(item.numbers) + len(item.codes)

    def forward(self, inputs: Inputs) -> Features:
        """Encode one batch; every column is a token, and the reading one stands first."""
        values = self._seen(inputs)
        written = values.numbers.unsqueeze(-1) * self.weight + self.bias
        parts = [
            self.reader.expand(len(written), 1, self.width),
            torch.where(values.missing.unsqueeze(-1), self.missing, written),
        ]
        if self.categories is not None:
            parts.append(self.categories(values.codes))
        tokens = self.norm(self.blocks(torch.cat(parts, 1)))
        return Features(tokens[:, 0], tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device))


def _drawn(rows: int, width: int) -> Tensor:
    return torch.empty(rows, width).uniform_(-(width**-0.5), width**-0.5)


class _Block(nn.Module):
    """Attention and a gated layer, each normed before and beside a way around it (Shazeer 2020 for the gate)."""

    def __init__(self, width: int, heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout, self.attention_dropout = heads, dropout, attention_dropout
        self.attention_norm, self.layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gated, self.narrowed = nn.Linear(width, 2 * (4 * width // 3)), nn.Linear(4 * width // 3, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[batch, tokens, width]`` to the same shape."""
        attended = self.joined(self._attend(self.mixed(self.attention_norm(tokens))))
        tokens = tokens + functional.dropout(attended, self.dropout, self.training)
        value, gate = self.gated(self.layer_norm(tokens)).chunk(2, -1)
        inside = functional.dropout(value * gate.relu(), self.dropout, self.training)
        mixed: Tensor = tokens + functional.dropout(self.narrowed(inside), self.dropout, self.training)
        return mixed

    def _attend(self, mixed: Tensor) -> Tensor:
        """Queries, keys and values ``[batch, tokens, 3 * width]`` to ``[batch, tokens, width]``."""
        batch, tokens, _ = mixed.shape
        query, key, value = mixed.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        share = self.attention_dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=share)
        return attended.transpose(1, 2).flatten(2)
