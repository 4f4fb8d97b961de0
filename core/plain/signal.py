"""Simple features of signals for the linear baseline: levels, spread, rhythm and a coarse shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError
from medplug.core.signals.signal import Signal

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BANDS = 8
SHAPE = 32
_A_CHANNEL = 4 + len(QUANTILES) + 3 + BANDS + SHAPE


class PlainSignal:
    """What a linear model is told of a signal, ``[rows, 52 a channel]``, each signal read by itself.

    Of each channel: mean, deviation, least and largest sample, five quantiles;
    how often it crosses its mean, as a share of its samples; mean and deviation
    of the steps between neighbours; the shares of its power in eight bands, each
    as wide as all those below it, up to half the usual rate of the training
    signals; and its course as 32 means. A row without a signal is all zeros.
    Learned are the usual rate and the number of channels.
    """

    channels: int = 1
    rate: float | None = None

    def fit_transform(self, rows: Sequence[Signal | None]) -> NDArray[np.float64]:
        """The matrix of the training signals."""
        known = [row for row in rows if row is not None]
        rates = Counter(row.rate for row in known if row.rate is not None)
        self.channels = max((row.samples.shape[0] for row in known), default=1)
        self.rate = max(rates, key=lambda rate: (rates[rate], rate), default=None)
        return self.transform(rows)

    def transform(self, rows: Sequence[Signal | None]) -> NDArray[np.float64]:
        """The matrix of any signals; `DataError` where one has other channels than the training signals."""
        found = np.zeros((len(rows), self.channels * _A_CHANNEL))
        for place, row in enumerate(rows):
            if row is None:
                continue
            if row.samples.shape[0] != self.channels:
                got = f"{row.samples.shape[0]} channel(s) where training signals have {self.channels}"
                raise DataError(f"signal {place + 1} has {got}; give every recording the same channels")
            found[place] = _features(row.samples.astype(np.float64), self._pace(row)).ravel()
        return found

    def _pace(self, row: Signal) -> float:
        """The signal's rate as a multiple of the usual one; 1 where either is not known."""
        return 1.0 if row.rate is None or self.rate is None else row.rate / self.rate


def _features(samples: NDArray[np.float64], pace: float) -> NDArray[np.float64]:
    """``[channels, 52]`` from ``[channels, samples]``."""
    mean, steps = samples.mean(1, keepdims=True), np.diff(samples, axis=1)
    steps = steps if steps.size else np.zeros((len(samples), 1))
    levels = [mean, samples.std(1, keepdims=True), samples.min(1, keepdims=True), samples.max(1, keepdims=True)]
    above = samples > mean
    crossings = (above[:, 1:] != above[:, :-1]).sum(1, keepdims=True) / samples.shape[1]
    rhythm = [crossings, np.abs(steps).mean(1, keepdims=True), steps.std(1, keepdims=True)]
    quantiles = np.quantile(samples, QUANTILES, axis=1).T
    return np.concatenate([*levels, quantiles, *rhythm, _bands(samples - mean, pace), _course(samples)], axis=1)


def _bands(samples: NDArray[np.float64], pace: float) -> NDArray[np.float64]:
    """Shares of power ``[channels, BANDS]``; zeros of a flat channel."""
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[1] + 2)[1:-1], axis=1))[:, 1:] ** 2
    frequencies = pace * np.arange(1, power.shape[1] + 1) / samples.shape[1]  # of the usual rate
    edges = 0.5 / 2.0 ** np.arange(BANDS - 1, 0, -1)
    place = np.searchsorted(edges, frequencies)
    sums = np.stack([power[:, place == band].sum(1) for band in range(BANDS)], axis=1)
    total = sums.sum(1, keepdims=True)
    shares: NDArray[np.float64] = sums / np.where(total > 0, total, 1.0)
    return shares


def _course(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 32 equal stretches of time ``[channels, 32]``; a short signal is drawn by straight lines."""
    channels, count = samples.shape
    if count < SHAPE:
        at = np.linspace(0, count - 1, SHAPE)
        return np.stack([np.interp(at, np.arange(count), channel) for channel in samples])
    edges = np.arange(SHAPE + 1) * count // SHAPE
    means: NDArray[np.float64] = np.add.reduceat(samples, edges[:-1], axis=1) / np.diff(edges)
    return means
