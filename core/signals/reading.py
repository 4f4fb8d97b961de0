"""What is wanted of a recording: the size beyond which none is read, and which gaps are filled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError
from medplug.core.signals.signal import Signal

MAX_CHANNELS = 1_024
"""The most channels of one recording."""
MAX_NUMBERS = 100_000_000
"""The most channels times samples of one recording: it is in memory as a whole."""
MAX_BYTES = 1 << 30
"""The largest file that is read."""
MOST_MISSING = 0.05
"""The share of a channel's samples from which on missing ones are not filled."""

_CROSSWISE = 32  # more channels than that, and four times as many as samples, are samples by channels


class SignalError(DataError):
    """A signal that cannot be used. Its text is the short reason alone, without the file's name or content."""


class Raw(NamedTuple):
    """Numbers as they were found, ``[samples]`` or ``[channels, samples]``, and their rate if that was said."""

    numbers: NDArray[Any]
    rate: float | None = None


def check_size(channels: int, samples: int) -> None:
    """Refuse a recording before it is read; raises `SignalError`."""
    size = f"{channels:,} channel(s) of {samples:,} sample(s)"
    if channels < 1 or samples < 1:
        raise SignalError(f"it holds no samples: {size}; export it again")
    if channels > MAX_CHANNELS:
        raise SignalError(f"it is too large: {size}; at most {MAX_CHANNELS:,} channels are read: [channels, samples]")
    if channels * samples > MAX_NUMBERS:
        most = f"at most {MAX_NUMBERS // 10**6} million numbers are read of one recording"
        raise SignalError(f"it is too large: {size}; {most}: cut it into parts or resample it")


def check_rate(rate: float) -> float:
    """The rate as it is, in samples a second; `SignalError` where it is not a positive number."""
    if not (math.isfinite(rate) and rate > 0):
        raise SignalError("its sampling rate is not a positive number; export it again")
    return float(rate)


def signal_of(raw: Raw) -> tuple[Signal, int]:
    """A signal, and how many samples of it were missing.

    NaN and infinity are missing samples. In a channel that lacks fewer than
    `MOST_MISSING` of its samples they lie on a straight line between their
    neighbours (at an end they are equal to the nearest); of more is
    `SignalError` raised, and of numbers that are no recording.
    """
    rate = None if raw.rate is None else check_rate(raw.rate)
    numbers = np.asarray(raw.numbers)
    if numbers.dtype.kind not in "buif" or numbers.ndim not in (1, 2):
        wanted = "[samples] or [channels, samples] of numbers is needed"
        raise SignalError(f"it is {list(numbers.shape)} of {numbers.dtype}; {wanted}")
    numbers = np.atleast_2d(numbers)
    check_size(*numbers.shape)
    if numbers.shape[0] > max(_CROSSWISE, 4 * numbers.shape[1]):
        raise SignalError(f"it has {numbers.shape[0]} channels of {numbers.shape[1]} samples; turn it: .T")
    with np.errstate(over="ignore"):
        samples = np.array(numbers, dtype=np.float32, order="C")
    missing = ~np.isfinite(samples)
    filled = int(missing.sum())
    if filled:
        _fill(samples, missing)
    return Signal(samples, rate), filled


def _fill(samples: NDArray[np.float32], missing: NDArray[np.bool_]) -> None:
    shares = missing.mean(axis=1)
    worst = int(shares.argmax())
    if shares[worst] >= MOST_MISSING:
        share = f"channel {worst + 1} lacks {shares[worst]:.0%} of its samples (NaN or infinite)"
        raise SignalError(f"{share}; fewer than {MOST_MISSING:.0%} are filled: leave the recording out")
    places = np.arange(samples.shape[1])
    for channel in np.flatnonzero(missing.any(axis=1)):
        gap = missing[channel]
        samples[channel, gap] = np.interp(places[gap], places[~gap], samples[channel, ~gap])
