"""Pooled features side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, presence


class Concat(Fusion):
    """The pooled features of all modalities side by side, then a column a modality that says whether it is there.

    Its width is the sum of the modalities' and one for each. A missing modality's
    place is held by a placeholder, zero at the start; beside it nothing is learned,
    so that a head may be fitted on it in closed form.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__(widths)
        self.width = sum(widths.values()) + len(widths)
        self.placeholders = nn.ParameterDict({name: torch.zeros(width) for name, width in widths.items()})

    @torch.no_grad()
    def set_placeholders(self, means: Mapping[str, Tensor]) -> None:
        """Hold the places of missing modalities by these vectors ``[width]``: their means over the training rows, say.

        A modality that `means` lacks keeps the placeholder that it has.
        """
        for name, mean in means.items():
            self.placeholders[name].copy_(mean)

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        parts = [known_pooled(features[name], self.placeholders[name]) for name in self.modalities]
        present = presence(features, self.modalities)
        return Fused(torch.cat([*parts, present.to(parts[0].dtype)], 1))
