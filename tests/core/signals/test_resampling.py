"""Resampling: waves keep their frequency, what is too fast goes, an offset makes no step."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.signals.reading import SignalError
from medplug.core.signals.resampling import resample
from medplug.core.signals.signal import Signal


def wave(frequency: float, rate: float, seconds: float = 8.0, offset: float = 0.0) -> Signal:
    time = np.arange(int(seconds * rate)) / rate
    return Signal((offset + np.sin(2 * np.pi * frequency * time))[None].astype(np.float32), rate)


@pytest.mark.parametrize(("old", "new"), [(500, 100), (128, 100), (100, 250), (360, 128.5), (100.1, 100)])
def test_a_wave_keeps_its_frequency_height_and_length(old: float, new: float) -> None:
    found = resample(wave(5.0, old), new)
    assert found.rate == new and found.samples.dtype == np.float32
    count = found.samples.shape[1]
    assert abs(count - 8 * new) <= 2
    power = np.abs(np.fft.rfft(found.samples[0] * np.hanning(count)))
    assert np.fft.rfftfreq(count, 1 / new)[power.argmax()] == pytest.approx(5.0, abs=0.15)
    time = np.arange(count) / new
    middle = slice(count // 4, 3 * count // 4)
    np.testing.assert_allclose(found.samples[0, middle], np.sin(2 * np.pi * 5 * time)[middle], atol=0.05)


def test_what_is_faster_than_half_the_new_rate_is_not_folded_down() -> None:
    middle = resample(wave(90.0, 500), 100).samples[0, 100:-100]
    assert np.abs(middle).max() < 0.05


def test_an_offset_makes_no_step_at_the_ends() -> None:
    found = resample(Signal(np.full((2, 300), 4_300.0, np.float32), 128.0), 100)
    np.testing.assert_allclose(found.samples, 4_300.0, rtol=1e-5)


def test_the_same_rate_changes_nothing_and_one_sample_is_a_signal() -> None:
    signal = wave(5, 100)
    assert resample(signal, 100) is signal
    assert resample(Signal(np.ones((1, 1), np.float32), 100.0), 50).samples.shape == (1, 1)


def test_unknown_or_impossible_rates_are_refused() -> None:
    with pytest.raises(SignalError, match="data.rate"):
        resample(Signal(np.ones((1, 9), np.float32)), 100)
    with pytest.raises(SignalError, match="cannot be resampled"):
        resample(wave(5, 100), 1_000_000)
    with pytest.raises(SignalError, match="positive"):
        resample(wave(5, 100), 0)
    with pytest.raises(SignalError, match="too large"):
        resample(Signal(np.broadcast_to(np.float32(0), (1, 1_000_000)), 1.0), 900)
