"""Each modality's features brought to one hidden width."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.features import Features
from medplug.core.fusion.presence import known_tokens, wide


class Projection(nn.Module):
    """A linear map to `hidden` features and a layer norm, which computes in float32 or better.

    The norm stands behind the map, as one over a single input feature would leave nothing of it.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, values: Tensor) -> Tensor:
        """``[..., width]`` to ``[..., hidden]``."""
        projected: Tensor = self.norm(wide(self.linear(values)))
        return projected


def from_zero(width: int, outputs: int) -> nn.Linear:
    """A linear map that gives zeros at the start."""
    linear = nn.Linear(width, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class TokenStack(nn.Module):
    """The tokens of all modalities, projected to `hidden` and padded to one length, in one tensor."""

    def __init__(self, widths: Mapping[str, int], hidden: int) -> None:
        super().__init__()
        self.project = nn.ModuleDict({name: Projection(width, hidden) for name, width in widths.items()})

    def forward(self, features: Mapping[str, Features]) -> tuple[Tensor, Tensor]:
        """Tokens ``[modalities, batch, tokens, hidden]`` and their mask ``[modalities, batch, tokens]``."""
        longest = max(features[name].mask.shape[1] for name in self.project)
        tokens, masks = [], []
        for name, project in self.project.items():
            given = features[name]
            more = longest - given.mask.shape[1]
            tokens.append(functional.pad(project(known_tokens(given)), (0, 0, 0, more)))
            masks.append(functional.pad(given.mask, (0, more)))
        return torch.stack(tokens), torch.stack(masks)
