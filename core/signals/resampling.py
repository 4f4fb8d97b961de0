"""Bringing signals to another rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from medplug.core.signals.reading import SignalError, check_rate, check_size
from medplug.core.signals.signal import Signal

_FINEST = 1_000
"""The largest factor up or down: the filter is twenty times as long."""


def resample(signal: Signal, rate: float) -> Signal:
    """The signal at `rate` samples a second: ``[channels, about samples * rate / signal.rate]``.

    By a polyphase filter that lets nothing through above half the lower of the
    two rates (scipy's ``resample_poly``); beyond its ends a signal goes on along
    the line between them, so that an offset makes no step there. The ratio is
    the nearest of whole numbers up to 1,000. Raises `SignalError` where the
    signal's own rate is not known, or the rates are more than 1,000 times apart.
    """
    if signal.rate is None:
        raise SignalError("its sampling rate is not known, and it is to be resampled; set data.rate")
    if check_rate(rate) == signal.rate:
        return signal
    if not 1 / _FINEST <= rate / signal.rate <= _FINEST:
        raise SignalError(f"it cannot be resampled from {signal.rate:g} to {rate:g} a second; check data.rate")
    ratio = (Fraction(rate) / Fraction(signal.rate)).limit_denominator(_FINEST)
    up, down = ratio.numerator, ratio.denominator
    channels, samples = signal.samples.shape
    check_size(channels, -(-samples * up // down))
    if up == down:
        return Signal(signal.samples, rate)
    from scipy.signal import resample_poly  # slow to import

    padtype = "line" if samples > 1 else "mean"
    samples = signal.samples.astype(np.float64)
    centre = samples.mean(axis=1, keepdims=True)  # the filter's phases differ a little in what they do to an offset
    found = centre + resample_poly(samples - centre, up, down, axis=1, padtype=padtype)
    return Signal(np.ascontiguousarray(found, dtype=np.float32), rate)
