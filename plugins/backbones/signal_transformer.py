"""A transformer over patches of a signal that learns from scratch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.features import Features
from medplug.plugins.backbones.recordings import Recording
from medplug.plugins.backbones.signal_backbone import SignalBackbone, features, patch_size
from medplug.plugins.backbones.signal_options import SignalTransformerOptions

_SLOWEST = 10_000.0  # the longest wave of the positions, in patches (Vaswani et al. 2017)


class SignalTransformer(SignalBackbone):
    """Patches of all channels, sinusoidal positions and layers of attention; tokens are patches.

    Vaswani et al. (2017), "Attention Is All You Need", with the norms before the
    layers (Xiong et al. 2020); a patch is a linear map of its samples
    (Dosovitskiy et al. 2021). Positions are computed, so that signals may be
    longer than those of the training.
    """

    options_model = SignalTransformerOptions
    options: SignalTransformerOptions

    def _build(self) -> None:
        options = self.options
        self.width = options.width
        self.patches = Patches(self.format.channels, self.width, patch_size(options, self.format.length))
        self.layers = nn.ModuleList(Layer(self.width, options.heads, options.dropout) for _ in range(options.layers))
        self.norm = nn.LayerNorm(self.width)
        self.dropout = nn.Dropout(options.dropout)

    def size(self, item: Recording) -> int:
        """Patches."""
        return -int(-item.samples.shape[1] // self.patches.size)

    def forward(self, inputs: Inputs) -> Features:
        """Let every patch attend to all real ones."""
        tokens, mask = self.patches(inputs["samples"], inputs["mask"])
        tokens = self.dropout(tokens + positions(tokens))
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return features(self.norm(tokens), mask, self.dropout)


class Patches(nn.Module):
    """A linear map of each `size` samples of all channels."""

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.map = nn.Conv1d(channels, width, size, size)

    def forward(self, samples: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[batch, channels, samples]`` to ``[batch, patches, width]`` and a mask; the last patch is filled with 0."""
        beyond = -samples.shape[2] % self.size
        tokens: Tensor = self.map(functional.pad(samples, (0, beyond)))
        return tokens.transpose(1, 2), mask[:, :: self.size]


class Layer(nn.Module):
    """Self-attention and a network of one hidden layer, each added to what it reads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries, self.keys, self.values = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """``[batch, tokens, width]`` to the same; `mask` ``[batch, tokens]`` says what is attended to."""
        read = self.before_attention(tokens)
        queries, keys, values = (self._parted(part(read)) for part in (self.queries, self.keys, self.values))
        dropout = self.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(queries, keys, values, mask[:, None, None], dropout)
        tokens = tokens + functional.dropout(self.out(found.transpose(1, 2).flatten(2)), dropout)
        inner: Tensor = tokens + self.network(self.before_network(tokens))
        return inner

    def _parted(self, tokens: Tensor) -> Tensor:
        """``[batch, heads, tokens, width / heads]``."""
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


def positions(tokens: Tensor) -> Tensor:
    """Sines and cosines of the places ``[tokens, width]`` of tokens ``[batch, tokens, width]``."""
    places = torch.arange(tokens.shape[1], device=tokens.device, dtype=torch.float32)
    half = tokens.shape[2] // 2
    speeds = torch.exp(torch.arange(half, device=tokens.device) * (-math.log(_SLOWEST) / half))
    angles = places[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(tokens.dtype)
