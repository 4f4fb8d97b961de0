"""A few latent tokens through which the modalities meet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medplug.core.features import Features
from medplug.core.fusion.attention import FeedForward, attend, check_heads
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import shares, wide
from medplug.core.fusion.projection import TokenStack


class Bottleneck(Fusion):
    """A few latent tokens that attend to each modality's tokens and to themselves, layer after layer; then their mean.

    In a layer the latents look at every modality by itself, all in one fused
    attention call, and take the mean over those that the row has; a feed-forward
    part follows. It gives `hidden` features.

    Nagrani et al., Attention Bottlenecks for Multimodal Fusion (2021), with
    modalities that are read and not changed: their backbones did that.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        hidden: int = 128,
        heads: int = 4,
        latents: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(widths)
        check_heads(hidden, heads)
        self.width = hidden
        self.tokens = TokenStack(widths, hidden)
        self.latents = nn.Parameter(torch.randn(latents, hidden))
        self.layers = nn.ModuleList(_Layer(hidden, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        tokens, mask = self.tokens(features)
        latents = self.latents.expand(mask.shape[1], -1, -1)
        for layer in self.layers:
            latents = layer(latents, tokens, mask)
        return Fused(wide(self.norm(latents)).mean(1))


class _Layer(nn.Module):
    """One exchange between the latents ``[batch, latents, hidden]`` and all tokens."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.ask = nn.LayerNorm(hidden), nn.Linear(hidden, hidden)
        self.token_norm, self.read = nn.LayerNorm(hidden), nn.Linear(hidden, 2 * hidden)
        self.write, self.dropout = nn.Linear(hidden, hidden), nn.Dropout(dropout)
        self.feed = FeedForward(hidden, dropout)

    def forward(self, latents: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Latents of the same shape, from tokens ``[modalities, batch, tokens, hidden]`` and their mask."""
        normed = self.norm(latents)
        read = torch.cat([self.read(self.token_norm(tokens)), self._each(self.read(normed), mask)], 2)
        counted = torch.cat([mask, mask.new_ones(*mask.shape[:2], latents.shape[1])], 2)
        keys, values = read.chunk(2, -1)
        found = self._mean(attend(self._each(self.ask(normed), mask), keys, values, counted, self.heads), mask)
        changed: Tensor = self.feed(latents + self.dropout(self.write(found)))
        return changed

    @staticmethod
    def _each(latents: Tensor, mask: Tensor) -> Tensor:
        """The same latents for every modality."""
        return latents.expand(len(mask), *latents.shape)

    @staticmethod
    def _mean(found: Tensor, mask: Tensor) -> Tensor:
        """The mean over the modalities that each row has ``[batch, latents, hidden]``."""
        weights = shares(mask.any(-1).T, found.dtype).T
        return (weights[..., None, None] * wide(found)).sum(0)
