"""Attention over pairs of tokens of two modalities."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import known_tokens, wide

Read = tuple[Tensor, Tensor, Tensor]
"""One modality's tokens ``[batch, tokens, hidden]``, projected for the maps and for what is gathered; their mask."""


class BilinearAttention(Fusion):
    """For each pair of modalities, maps over all pairs of their tokens, and what those gather.

    With ``X, Y`` the tokens of two modalities after a linear map and a ReLU, a
    glimpse's map is the softmax of ``sum over k of p_k X_ik Y_jk`` over all pairs
    (i, j) of real tokens; it gathers ``f_k = sum over i, j of A_ij X'_ik Y'_jk`` from
    a second such map of the tokens. The glimpses of all pairs, each mapped to `hidden`
    features, are summed. A missing modality's place is held by one learned token, so
    that each other modality still meets it; one modality alone is paired with itself.

    Kim et al., Bilinear Attention Networks (2018); as in DrugBAN (Bai et al., 2023)
    the glimpses share their projections.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 128, glimpses: int = 2) -> None:
        super().__init__(widths)
        self.width = hidden
        ordered = sorted(widths)
        self.pairs = tuple(combinations(ordered, 2)) if len(ordered) > 1 else ((ordered[0], ordered[0]),)
        self.project = nn.ModuleDict({name: nn.Linear(width, 2 * hidden) for name, width in widths.items()})
        self.placeholders = nn.ParameterDict({name: torch.zeros(width) for name, width in widths.items()})
        names = [_joint(pair) for pair in self.pairs]
        self.glimpses = nn.ParameterDict({name: torch.randn(glimpses, hidden) / hidden**0.5 for name in names})
        self.gather = nn.ModuleDict({name: nn.Linear(glimpses * hidden, hidden) for name in names})

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        read = {name: self._read(name, features[name]) for name in self.modalities}
        gathered = [self._gathered(_joint((one, two)), read[one], read[two]) for one, two in self.pairs]
        return Fused(torch.stack(gathered).sum(0))

    def _read(self, name: str, features: Features) -> Read:
        first = torch.arange(features.mask.shape[1], device=features.mask.device) == 0
        held = ~features.present[:, None] & first
        tokens = known_tokens(features)
        tokens = torch.where(held[..., None], self.placeholders[name].to(tokens.dtype), tokens)
        for_maps, for_values = self.project[name](tokens).relu().chunk(2, -1)
        return for_maps, for_values, features.mask | held

    def _gathered(self, pair: str, one: Read, two: Read) -> Tensor:
        """What the glimpses of one pair of modalities gather ``[batch, hidden]``."""
        maps = pair_attention(self.glimpses[pair], one[0], two[0], one[2], two[2])
        rows = maps @ two[1][:, None]  # [batch, glimpses, tokens, hidden]
        found = (wide(rows) * one[1][:, None]).sum(2)
        gathered: Tensor = wide(self.gather[pair](found.flatten(1)))
        return gathered


def pair_attention(glimpses: Tensor, one: Tensor, two: Tensor, mask: Tensor, other_mask: Tensor) -> Tensor:
    """Attention maps ``[batch, glimpses, tokens, other tokens]``, each with sum 1 over the pairs of real tokens.

    `glimpses` ``[glimpses, hidden]`` weigh the features of tokens `one` and `two`;
    each side has a real token in every row. The softmax computes in float32 or better.
    """
    logits = wide((one[:, None] * glimpses[:, None]) @ two[:, None].transpose(-1, -2))
    real = (mask[:, :, None] & other_mask[:, None])[:, None]
    return logits.masked_fill(~real, -torch.inf).flatten(2).softmax(-1).view_as(logits)


def _joint(pair: tuple[str, str]) -> str:
    return "__".join(pair)
