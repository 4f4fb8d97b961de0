"""What the signal encoders have in common: preparing recordings, padding them, pooling what was found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.pretrained import refuse_weights
from medplug.core.registry import Source
from medplug.core.signals.signal import Signal
from medplug.plugins.backbones.recordings import Format, Recording
from medplug.plugins.backbones.signal_options import PatchOptions, SignalOptions

_UNKNOWN = Format(1, None, 1_000)  # until `learn` has seen signals


class SignalBackbone(Backbone):
    """An encoder of signals that learns from scratch.

    An item is a `Recording`. Weights are drawn from torch's global generator,
    anew when `learn` has found how many channels there are.
    """

    options_model: ClassVar[type[SignalOptions]]

    def __init__(self, options: Any, format: Format) -> None:
        super().__init__()
        self.options = options
        self.format = format
        self._build()

    @classmethod
    def create(cls, options: Any, source: Source | None) -> Self:
        """Build it on a format which `learn` replaces; `BackboneError` if weights are given."""
        refuse_weights(cls, source)
        return cls(options, _UNKNOWN)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build it again, with random weights."""
        return cls(cls.options_model.model_validate(assets["options"]), Format.from_json(assets["format"]))

    def assets(self) -> dict[str, Any]:
        """Options and format."""
        return {"options": self.options.model_dump(mode="json"), "format": self.format.to_json()}

    def learn(self, values: Sequence[Signal], groups: Sequence[str] | None = None) -> None:
        """Learn channels, rate, length and scale, and build the network for them."""
        self.format = Format.learn(values, self.options)
        self._build()

    def prepare(self, values: Sequence[Signal]) -> list[Recording]:
        """Bring every signal to the network's rate, length and scale; `BackboneError` where one has other channels."""
        own = self.options.normalise == "record"
        return [self.format.prepared(value, own_scale=own) for value in values]

    def collate(self, items: Sequence[Recording]) -> Inputs:
        """Pad to the longest: `samples` ``[batch, channels, samples]`` and `mask` ``[batch, samples]``."""
        lengths = np.array([item.samples.shape[1] for item in items])
        samples = np.zeros((len(items), self.format.channels, lengths.max()), dtype=np.float32)
        for row, item in zip(samples, items, strict=True):
            row[:, : item.samples.shape[1]] = item.samples
        mask = np.arange(lengths.max()) < lengths[:, None]
        return {"samples": torch.from_numpy(samples), "mask": torch.from_numpy(mask)}

    def census(self, items: Sequence[Recording]) -> dict[str, int]:
        """How many signals were cropped or resampled, do not say their rate, or have a channel that shows nothing."""
        rate = f"{self.format.rate or 0:g} a second"
        counts = {
            f"signals longer than {self.format.length} samples, cropped to their middle": [i.cropped for i in items],
            f"signals resampled to {rate}": [i.resampled for i in items],
            f"signals of unknown rate, read as if at {rate}": [i.unknown for i in items],
            "signals with a flat channel": [i.flat for i in items],
        }
        return {what: sum(found) for what, found in counts.items() if any(found)}

    def reading(self) -> str:
        """Channels, rate, length and scale."""
        scale = {
            "record": "centred and scaled by each record's own mean and deviation",
            "training": "centred and scaled by the training signals' mean and deviation",
            "none": "neither centred nor scaled",
        }
        rate = "at any rate" if self.format.rate is None else f"at {self.format.rate:g} a second"
        told = f"{self.format.channels} channel(s) {rate}, at most {self.format.length} samples"
        return f"{told}; {scale[self.options.normalise]}"

    @abstractmethod
    def _build(self) -> None:
        """Make the network for the format, with new weights, and set `width`."""


def pooled(tokens: Tensor, mask: Tensor) -> Tensor:
    """Half the mean and half the maximum over real tokens, ``[batch, tokens, width]`` to ``[batch, width]``.

    In float32 or better.
    """
    wide = tokens if tokens.dtype == torch.float64 else tokens.float()
    real = mask.unsqueeze(-1)
    mean = wide.masked_fill(~real, 0.0).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    most = wide.masked_fill(~real, float("-inf")).amax(1)
    return (mean + most) / 2


def patch_size(options: PatchOptions, length: int) -> int:
    """``backbone.patch``, or such that the longest signal is about 32 patches of 4 to 32 samples."""
    return options.patch or min(max(length // 32, 4), 32)


def features(tokens: Tensor, mask: Tensor, dropout: torch.nn.Module) -> Features:
    """Features from tokens ``[batch, tokens, width]``, whose numbers where `mask` is False are made 0."""
    found: Tensor = dropout(pooled(tokens, mask))
    return Features(found, tokens.masked_fill(~mask.unsqueeze(-1), 0.0), mask)
