"""One modality's features scaled and shifted by what the others say."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_pooled, wide
from medplug.core.fusion.projection import Projection, from_zero


class Film(Fusion):
    """The base's pooled features, projected to `hidden`, scaled and shifted feature by feature by the other modalities.

    ``gelu((1 + sum of gammas) * base + sum of betas)``, where each other modality
    gives a gamma and a beta, zero at the start. One that is missing gives zeros, so
    it leaves the base as it is; in place of a missing base stands a learned
    placeholder. `base` names a modality (ValueError else); None takes the widest,
    the first by name of several.

    Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer (2018),
    with a GELU in place of its ReLU, which has no gradient where a placeholder starts.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 128, base: str | None = None) -> None:
        super().__init__(widths)
        base = min(widths, key=lambda name: (-widths[name], name)) if base is None else base
        if base not in widths:
            raise ValueError(f"base must be one of the modalities {', '.join(widths)}; got {base}")
        self.base, self.width = base, hidden
        self.project = Projection(widths[base], hidden)
        self.placeholder = nn.Parameter(torch.zeros(hidden))
        self.modulate = nn.ModuleDict({name: from_zero(widths[name], 2 * hidden) for name in widths if name != base})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        given = features[self.base]
        base = torch.where(given.present[:, None], self.project(known_pooled(given)), self.placeholder)
        change = torch.zeros_like(base).repeat(1, 2)
        for name in self.modulate:
            change = change + self._change(name, features[name])
        gamma, beta = change.chunk(2, 1)
        return Fused(functional.gelu((1 + gamma) * base + beta))

    def _change(self, name: str, features: Features) -> Tensor:
        """What one modality adds to gamma and beta ``[batch, 2 hidden]``."""
        change = wide(self.modulate[name](known_pooled(features)))
        return change.masked_fill(~features.present[:, None], 0.0)
