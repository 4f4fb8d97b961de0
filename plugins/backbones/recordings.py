"""Signals as networks read them: one rate, one length at most, one scale a channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError
from medplug.core.signals.resampling import resample
from medplug.core.signals.signal import Signal
from medplug.plugins.backbones.signal_options import SignalOptions

_LONGEST = 5_000  # samples; ten seconds of an ECG at 500 a second
_SAMPLE = 1_000_000  # samples of a channel that the scale is learned from
_OUTLIERS = 0.1  # percent at either end: a loose electrode must not set the scale
_FLAT = 1e-6  # a deviation below this share of the largest sample is rounding


@dataclass(frozen=True, slots=True)
class Recording:
    """A prepared signal: samples float32 ``[channels, samples]``, and what became of it."""

    samples: NDArray[np.float32]
    cropped: bool
    resampled: bool
    unknown: bool
    flat: bool


@dataclass(frozen=True, slots=True)
class Format:
    """What a network reads: so many channels, at a rate (None: any), at most so many samples, on a scale.

    `mean` and `std` ``[channels]`` are empty where each record has its own scale.
    """

    channels: int
    rate: float | None
    length: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def learn(cls, values: Sequence[Signal], options: SignalOptions) -> Format:
        """That of the training signals; `DataError` where they differ in their channels."""
        counts = Counter(value.samples.shape[0] for value in values)
        if len(counts) > 1:
            told = ", ".join(f"{count} with {channels}" for channels, count in sorted(counts.items()))
            raise DataError(f"training signals differ in their channels ({told}); keep the channels that all have")
        rates = Counter(value.rate for value in values if value.rate is not None)
        rate = options.rate or max(rates, key=lambda each: (rates[each], each), default=None)
        channels = next(iter(counts), 1)
        lengths = (_length(value, rate) for value in values)
        whole = cls(channels, rate, options.length or min(max(lengths, default=_LONGEST), _LONGEST))
        if not values or options.normalise != "training":
            return whole
        mean, std = whole._scale(values)
        return replace(whole, mean=mean, std=std)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Format:
        """From `to_json`."""
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"])})

    def prepared(self, value: Signal, *, own_scale: bool) -> Recording:
        """One signal as the network reads it; `own_scale`: by its own mean and deviation.

        Raises `DataError` where it has other channels.
        """
        if value.samples.shape[0] != self.channels:
            got = f"{value.samples.shape[0]} channel(s), and the model reads {self.channels}"
            raise DataError(f"a signal has {got}; give every recording the channels of the training signals")
        samples, resampled = self._cut(value)
        if own_scale:
            wide = samples.astype(np.float64)
            mean, std = wide.mean(1), wide.std(1)
            std = np.where(std > _FLAT * np.abs(wide).max(1), std, np.inf)
        else:
            mean, std = np.array(self.mean or (0.0,)), np.array(self.std or (1.0,))
        scaled = ((samples - mean[:, None]) / std[:, None]).astype(np.float32)
        return Recording(
            scaled,
            cropped=_length(value, self.rate) > self.length,
            resampled=resampled,
            unknown=self.rate is not None and value.rate is None,
            flat=bool((samples == samples[:, :1]).all(1).any()),
        )

    def _cut(self, value: Signal) -> tuple[NDArray[np.float32], bool]:
        """The middle of a signal at the network's rate, and whether it had another one."""
        other = self.rate is not None and value.rate is not None and value.rate != self.rate
        found = resample(value, self.rate).samples if other and self.rate else value.samples
        start = max(0, found.shape[1] - self.length) // 2
        return found[:, start : start + self.length], other

    def _scale(self, values: Sequence[Signal]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel, without the most extreme samples."""
        kept = values[:: -(-len(values) * self.length // _SAMPLE)]
        pooled = np.concatenate([self._cut(value)[0] for value in kept], axis=1).astype(np.float64)
        low, high = np.percentile(pooled, (_OUTLIERS, 100 - _OUTLIERS), axis=1, keepdims=True)
        clipped = pooled.clip(low, high)
        mean, std = clipped.mean(1), clipped.std(1)
        std = np.where(std > _FLAT * np.abs(clipped).max(1), std, 1.0)
        return tuple(mean.tolist()), tuple(std.tolist())


def _length(value: Signal, rate: float | None) -> int:
    """How many samples a signal has at a rate."""
    samples = value.samples.shape[1]
    return samples if rate is None or value.rate is None else -int(-samples * rate // value.rate)
