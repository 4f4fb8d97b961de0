"""Tensor fusion, factored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, wide


class LowRank(Fusion):
    """A linear map to `hidden` of the outer product of all modalities' pooled features, of rank `rank`.

    With each modality's features followed by a 1, that product holds every
    modality alone and every interaction of them; it is never formed:
    ``sum over r of the product over m of (factor_r,m [x_m; 1])``, and a bias. Each
    factor's weight of the 1 is 1 at the start and the bias ``-rank``: a modality of
    zeros then changes nothing of the product, and all of zeros give zeros. In place of
    a missing modality stands a learned placeholder, zero at the start.

    Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors (2018).
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 128, rank: int = 4) -> None:
        super().__init__(widths)
        self.width, self.rank = hidden, rank
        self.factors = nn.ModuleDict({name: _factor(width, rank * hidden) for name, width in widths.items()})
        self.bias = nn.Parameter(torch.full((hidden,), -float(rank)))
        self.placeholders = nn.ParameterDict({name: torch.zeros(width) for name, width in widths.items()})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        product = reduce(torch.mul, (self._factored(name, features[name]) for name in self.modalities))
        return Fused(product.sum(1) + self.bias)

    def _factored(self, name: str, features: Features) -> Tensor:
        """One modality's part of the product ``[batch, rank, hidden]``."""
        values = wide(self.factors[name](known_pooled(features, self.placeholders[name])))
        return values.view(-1, self.rank, self.width)


def _factor(width: int, outputs: int) -> nn.Linear:
    factor = nn.Linear(width, outputs)
    nn.init.ones_(factor.bias)
    return factor
