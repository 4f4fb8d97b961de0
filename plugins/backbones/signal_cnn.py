"""A residual network of one-dimensional convolutions that learns from scratch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medplug.core.backbone import Inputs
from medplug.core.features import Features
from medplug.plugins.backbones.recordings import Recording
from medplug.plugins.backbones.signal_backbone import SignalBackbone, features
from medplug.plugins.backbones.signal_options import SignalCNNOptions

_CELL = 16  # samples that cost as much as a token does
_TOKENS = 32  # about so many are left of the longest signal
_KERNELS = (7, 5, 3)  # samples, of the first convolution of the first block and of those behind it


class SignalCNN(SignalBackbone):
    """Residual blocks, each of half the length of the one before; tokens are what is left of the length.

    Residual networks for time series: Wang, Yan and Oates (2017), "Time Series
    Classification from Scratch with Deep Neural Networks: A Strong Baseline";
    here with strides, and so many blocks (2 to 6) that about 32 tokens are left
    of the longest training signal.
    """

    options_model = SignalCNNOptions
    options: SignalCNNOptions

    def _build(self) -> None:
        self.width = width = self.options.width
        stages = min(max(math.ceil(math.log2(self.format.length / _TOKENS)), 2), 6)
        widths = [width // 4, width // 2, *[width] * (stages - 1)]
        kernels = [*_KERNELS, *[_KERNELS[-1]] * stages]
        self.stem = Convolution(self.format.channels, width // 4, _KERNELS[0])
        self.blocks = nn.ModuleList(
            Block(a, b, kernel) for a, b, kernel in zip(widths, widths[1:], kernels, strict=False)
        )
        self.dropout = nn.Dropout(self.options.dropout)

    def size(self, item: Recording) -> int:
        """Stretches of 16 samples."""
        return -int(-item.samples.shape[1] // _CELL)

    def forward(self, inputs: Inputs) -> Features:
        """Convolve; padding stays zero from layer to layer."""
        mask = inputs["mask"]
        maps = self.stem(inputs["samples"], mask).relu()
        for block in self.blocks:
            maps, mask = block(maps, mask)
        return features(maps.transpose(1, 2), mask, self.dropout)


class Block(nn.Module):
    """Two convolutions beside a way around them (He et al. 2016), the first with stride 2."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.first = Convolution(channels, width, kernel, stride=2)
        self.second = Convolution(width, width, _KERNELS[-1])
        self.around = Convolution(channels, width, 1, stride=2)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Maps ``[batch, channels, samples]`` and their mask to those of half the samples."""
        half = mask[:, ::2]
        inner = self.second(self.first(maps, half).relu(), half)
        return (inner + self.around(maps, half)).relu(), half


class Convolution(nn.Module):
    """A convolution and its norm; what is not real in the result is 0, as if the signal ended there."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.inner = nn.Conv1d(channels, width, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.inner.weight, mode="fan_out", nonlinearity="relu")
        self.norm = MaskedNorm(width)

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """``[batch, channels, samples]`` to ``[batch, width, samples / stride]``, whose `mask` is given."""
        found: Tensor = self.norm(self.inner(maps), mask)
        return found


class MaskedNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy 2015) whose statistics are of real positions only."""

    def forward(self, maps: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, width, samples]``, 0 where `mask` ``[batch, samples]`` is False."""
        assert mask is not None and self.running_mean is not None and self.running_var is not None
        real = mask.unsqueeze(1)
        if not self.training:
            return super().forward(maps).masked_fill(~real, 0.0)
        with torch.autocast(maps.device.type, enabled=False):
            wide = maps.float() if maps.dtype != torch.float64 else maps
            count = mask.sum()
            mean = wide.masked_fill(~real, 0.0).sum((0, 2)) / count
            off = (wide - mean[:, None]).masked_fill(~real, 0.0)
            variance = off.square().sum((0, 2)) / count
            self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
            scale = self.weight * torch.rsqrt(variance + self.eps)
            return torch.where(real, off * scale[:, None] + self.bias[:, None], 0.0)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
