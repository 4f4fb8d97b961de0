"""Decisions of each modality alone, joined, or beside features of all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.features import Features
from medplug.core.fusion.concat import Concat
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, presence, present_softmax, wide


class Late(Fusion):
    """The logits of each modality's own linear head, averaged over the modalities that a row has.

    `joined` is the logits ``[batch, outputs]``: no head stands behind it. `combine`
    says with which weights: ``mean`` equal ones, ``stacked`` the softmax of a
    learned score a modality (equal at the start), renormalised over those present.
    `Fused.weights` tells them.
    """

    decides = True

    def __init__(self, widths: Mapping[str, int], outputs: int, combine: Literal["mean", "stacked"] = "mean") -> None:
        super().__init__(widths)
        if combine not in ("mean", "stacked"):
            raise ValueError(f"combine must be mean or stacked; got {combine}")
        self.width = outputs
        self.heads = nn.ModuleDict({name: nn.Linear(width, outputs) for name, width in widths.items()})
        self.scores = nn.ParameterDict({name: torch.zeros(()) for name in widths if combine == "stacked"})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        logits = torch.stack([wide(self.heads[name](known_pooled(features[name]))) for name in self.modalities], 1)
        present = presence(features, self.modalities)
        weights = present_softmax(self._scores(logits).expand(present.shape), present)
        return Fused((weights[..., None] * logits).sum(1), weights)

    def _scores(self, logits: Tensor) -> Tensor:
        """What each modality's weight is the softmax of ``[modalities]``."""
        if not self.scores:
            return logits.new_zeros(len(self.modalities))
        return torch.stack([self.scores[name] for name in self.modalities])


class Hybrid(Fusion):
    """Early and late together: `hidden` features of all modalities, then the logits of each modality's own head.

    Its width is ``hidden + modalities * outputs``. The hidden features are a GELU of a
    linear map of `Concat`; a missing modality's logits are zero.
    """

    def __init__(self, widths: Mapping[str, int], outputs: int, hidden: int = 128) -> None:
        super().__init__(widths)
        self.width = hidden + len(widths) * outputs
        self.early = Concat(widths)
        self.mix = nn.Linear(self.early.width, hidden)
        self.heads = nn.ModuleDict({name: nn.Linear(width, outputs) for name, width in widths.items()})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        hidden = functional.gelu(self.mix(self.early(features).joined))
        return Fused(torch.cat([wide(hidden), *(self._logits(name, features[name]) for name in self.modalities)], 1))

    def _logits(self, name: str, features: Features) -> Tensor:
        """One modality's own logits ``[batch, outputs]``."""
        logits = wide(self.heads[name](known_pooled(features)))
        return logits.masked_fill(~features.present[:, None], 0.0)
