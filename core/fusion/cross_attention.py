"""Tokens of each modality that look at the tokens of the others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medplug.core.features import Features
from medplug.core.fusion.attention import FeedForward, attend, check_heads
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import masked_mean, shares, wide
from medplug.core.fusion.projection import TokenStack


class CrossAttention(Fusion):
    """A transformer's block in which each modality's tokens attend to those of every other one, pair by pair.

    All pairs are one fused attention call. A token takes the mean of what it
    found in the modalities that its row has, so that one with many tokens does
    not drown one with few; where its own is the only one, it attends to that.
    Feed-forward part, mean over tokens and mean over modalities follow: `hidden`
    features, whichever modalities are missing.

    Crossmodal attention as in Tsai et al., Multimodal Transformer for Unaligned
    Multimodal Language Sequences (2019), in one block and with shared weights.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 128, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__(widths)
        check_heads(hidden, heads)
        self.width, self.heads = hidden, heads
        self.tokens = TokenStack(widths, hidden)
        self.norm, self.read = nn.LayerNorm(hidden), nn.Linear(hidden, 3 * hidden)
        self.write, self.dropout = nn.Linear(hidden, hidden), nn.Dropout(dropout)
        self.feed = FeedForward(hidden, dropout)
        self.last_norm = nn.LayerNorm(hidden)

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        tokens, mask = self.tokens(features)
        found = self._found(self.read(self.norm(tokens)), mask)
        tokens = self.feed(tokens + self.dropout(self.write(found)))
        pooled = masked_mean(wide(self.last_norm(tokens)), mask)  # [modalities, batch, hidden]
        return Fused(masked_mean(pooled.transpose(0, 1), mask.any(-1).T))

    def _found(self, read: Tensor, mask: Tensor) -> Tensor:
        """What each token takes from other modalities ``[modalities, batch, tokens, hidden]``.

        `read` holds queries, keys and values side by side.
        """
        alone = ~_others(mask.any(-1)).any(1)  # [modalities, batch]
        queries, *own = read.chunk(3, -1)
        keys, values, counted = (_looked_at(part, alone) for part in (*own, mask))
        mixed = attend(queries[:, None].expand_as(keys), keys, values, counted, self.heads)
        weights = shares(counted.any(-1).movedim(1, -1), mixed.dtype).movedim(-1, 1)
        return (weights[..., None, None] * wide(mixed)).sum(1)


def _looked_at(part: Tensor, alone: Tensor) -> Tensor:
    """``[modalities, others, batch, ...]``: for each modality the others', and its own in rows where it is alone."""
    fallback = alone[:, None].view(len(alone), 1, -1, *(1,) * (part.dim() - 2))
    return torch.where(fallback, part[:, None], _others(part))


def _others(parts: Tensor) -> Tensor:
    """``[modalities, ...]`` to ``[modalities, others, ...]``: for each, all but itself; for a lone one, itself."""
    if len(parts) == 1:
        return parts[None]
    return torch.stack([torch.cat([parts[:i], parts[i + 1 :]]) for i in range(len(parts))])
