"""Modalities weighed row by row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, presence, present_softmax
from medplug.core.fusion.projection import Projection, from_zero


class Gated(Fusion):
    """Each modality projected to `hidden` features, and their mean with weights that each row's own features decide.

    The weights are a softmax of one learned score a modality over those that the
    row has; at the start they are equal. `Fused.weights` tells them.

    After the gated multimodal unit of Arevalo et al. (2017), with a softmax over
    any number of modalities in place of its sigmoid over two.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 128) -> None:
        super().__init__(widths)
        self.width = hidden
        self.project = nn.ModuleDict({name: Projection(width, hidden) for name, width in widths.items()})
        self.score = nn.ModuleDict({name: from_zero(hidden, 1) for name in widths})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        projected = [self.project[name](known_pooled(features[name])) for name in self.modalities]
        scores = [self.score[name](each) for name, each in zip(self.modalities, projected, strict=True)]
        weights = present_softmax(torch.cat(scores, 1), presence(features, self.modalities))
        return Fused((weights[..., None] * torch.stack(projected, 1)).sum(1), weights)
