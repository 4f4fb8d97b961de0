"""Plain features of signals."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.errors import DataError
from medplug.core.plain.signal import BANDS, PlainSignal
from medplug.core.signals.signal import Signal


def wave(frequency: float, rate: float | None = 128.0, count: int = 512, channels: int = 1) -> Signal:
    time = np.arange(count) / (rate or 1.0)
    return Signal(np.tile(np.sin(2 * np.pi * frequency * time), (channels, 1)).astype(np.float32), rate)


def bands(row: np.ndarray) -> np.ndarray:
    return row[12 : 12 + BANDS]


def test_a_row_has_52_numbers_a_channel_and_none_is_all_zeros() -> None:
    found = PlainSignal().fit_transform([wave(5, channels=3), None, wave(9, channels=3)])
    assert found.shape == (3, 3 * 52) and found.dtype == np.float64 and np.isfinite(found).all()
    assert not found[1].any() and found[0].any()
    np.testing.assert_array_equal(found[0, :52], found[0, 52:104])
    assert PlainSignal().fit_transform([None, None]).shape == (2, 52)


def test_the_numbers_are_what_they_are_called() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 640).astype(np.float32)
    found = PlainSignal().fit_transform([Signal(values[None])])[0]
    wide = values.astype(np.float64)
    np.testing.assert_allclose(found[:4], [wide.mean(), wide.std(), wide.min(), wide.max()])
    np.testing.assert_allclose(found[4:9], np.quantile(wide, [0.05, 0.25, 0.5, 0.75, 0.95]))
    signs = np.sign(wide - wide.mean())
    assert found[9] == pytest.approx((signs[1:] != signs[:-1]).sum() / 640)
    np.testing.assert_allclose(found[10:12], [np.abs(np.diff(wide)).mean(), np.diff(wide).std()])
    assert found[12:20].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found[20:], wide.reshape(32, 20).mean(1))


def test_power_lies_in_the_band_of_the_frequency_whatever_the_rate() -> None:
    plain = PlainSignal()
    plain.fit_transform([wave(5, 128.0), wave(5, 128.0), wave(5, 500.0)])
    assert plain.rate == 128.0
    for frequency, band in ((48, 7), (24, 6), (12, 5), (6, 4)):  # 32-64 Hz, 16-32, 8-16, 4-8
        for rate in (128.0, 500.0, None):
            signal = wave(frequency, rate) if rate else Signal(wave(frequency).samples)
            assert bands(plain.transform([signal])[0]).argmax() == band


@pytest.mark.parametrize("count", [1, 2, 31, 33, 500])
def test_short_and_flat_signals_have_finite_features(count: int) -> None:
    found = PlainSignal().fit_transform([Signal(np.full((2, count), 4.0, np.float32), 100.0)])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 20:52], 4.0)


def test_other_channels_than_in_training_are_refused() -> None:
    plain = PlainSignal()
    plain.fit_transform([wave(5)])
    with pytest.raises(DataError, match="signal 2 has 3 channel"):
        plain.transform([wave(5), wave(5, channels=3)])
