"""Stretches of recordings: what they are called, and that the one a model reads has the value."""

import numpy as np
import pytest

from medplug.core.explaining.segments import SEGMENTS, of_segments
from medplug.core.signals.signal import Signal


def beat(samples: int = 120, rate: float | None = 10.0) -> Signal:
    """Two channels of noise with a hump in the fifth stretch of the second."""
    values = np.random.default_rng(0).normal(scale=0.1, size=(2, samples)).astype(np.float32)
    values[1, 40:50] += 3
    return Signal(values, rate)


def highest(recordings: list[Signal]) -> np.ndarray:
    return np.array([float(each.samples[1].max()) for each in recordings])


def test_the_stretch_that_is_read_has_nearly_all_of_the_value_and_the_sum_is_whole() -> None:
    signal = beat()
    found, names = of_segments(highest, signal, asked=1000, seed=0)
    flat = float(signal.samples[1].mean())
    assert found.values.argmax() == 4
    assert found.values[4] > 0.85 * found.values.sum()
    assert found.values.sum() == pytest.approx(float(signal.samples[1].max()) - flat, abs=1e-6)
    assert len(names) == SEGMENTS and names[4] == "4-5 s"


def test_without_a_rate_stretches_are_told_in_samples_and_a_short_recording_has_one_a_sample() -> None:
    found, names = of_segments(highest, beat(samples=60, rate=None), asked=1000, seed=0)
    assert names[:2] == ("samples 1-5", "samples 6-10")
    short = Signal(np.array([[0, 0, 0], [0, 6, 0]], dtype=np.float32))
    found, names = of_segments(highest, short, asked=1000, seed=0)
    assert names == ("samples 1-1", "samples 2-2", "samples 3-3")
    assert found.values.tolist() == pytest.approx([0, 4, 0])  # beyond the channel's mean, 2
