"""Windows and blocks: no sample is in two splits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medplug.core.errors import DataError
from medplug.core.signals.signal import Signal
from medplug.core.signals.windows import DROPPED, blocks, window_starts, windows


def test_windows_hold_the_samples_from_their_start_and_the_label_of_most() -> None:
    samples = np.arange(40, dtype=np.float32).reshape(2, 20)
    labels = ["open"] * 9 + ["closed"] * 11
    found = windows(Signal(samples, 10.0), labels, 6, 4)
    assert [window.start for window in found] == [0, 4, 8, 12]
    assert [window.label for window in found] == ["open", "open", "closed", "closed"]
    for window in found:
        np.testing.assert_array_equal(window.signal.samples, samples[:, window.start : window.start + 6])
        assert window.signal.rate == 10.0
    assert windows(Signal(samples), None, 20, 1)[0].label is None


def test_of_equally_many_labels_the_first_counts() -> None:
    found = windows(Signal(np.zeros((1, 4), np.float32)), ["b", "b", "a", "a"], 4, 4)
    assert found[0].label == "b"


def test_impossible_windows_are_refused() -> None:
    for total, length, step in ((5, 6, 1), (5, 0, 1), (5, 2, 0)):
        with pytest.raises(DataError):
            window_starts(total, length, step)
    with pytest.raises(DataError, match="3 labels and 4 samples"):
        windows(Signal(np.zeros((1, 4), np.float32)), [1, 2, 3], 2, 2)


@pytest.mark.parametrize(("length", "step"), [(10, 10), (32, 8), (7, 3)])
@pytest.mark.parametrize("gap", [0, 5, 40])
@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("shares", [(0.7, 0.1, 0.2), (0.5, 0.25, 0.25), (0.8, 0.0, 0.2)])
def test_windows_of_different_splits_share_no_sample_and_keep_the_gap(
    length: int, step: int, gap: int, rounds: int, shares: tuple[float, float, float]
) -> None:
    starts = window_starts(3_000, length, step)
    names = blocks(starts, length, shares, gap, rounds)
    kept = [(start, name) for start, name in zip(starts.tolist(), names, strict=True) if name != DROPPED]
    for (one, first), (other, second) in itertools.pairwise(kept):
        assert first == second or other - (one + length) >= gap
    held = {name for _, name in kept}
    assert held == {n for n, share in zip(("train", "validation", "test"), shares, strict=True) if share}
    for name, share in zip(("train", "validation", "test"), shares, strict=True):
        assert names.count(name) / len(names) <= share + 0.02
    assert sum(a[1] != b[1] for a, b in itertools.pairwise(kept)) == rounds * len(held) - 1


def test_the_order_of_windows_does_not_matter() -> None:
    starts = window_starts(1_000, 20, 10)
    order = np.random.default_rng(0).permutation(len(starts))
    straight = blocks(starts, 20, gap=10)
    assert blocks(starts[order], 20, gap=10) == [straight[i] for i in order]


def test_blocks_that_cannot_be_are_refused() -> None:
    starts = window_starts(100, 20, 20)
    for shares, gap, rounds, what in (
        ((0.5, 0.1, 0.1), 0, 1, "add up to 1"),
        ((0.7, 0.1, 0.2), -1, 1, "gap"),
        ((0.7, 0.1, 0.2), 0, 1, "validation"),
        ((0.7, 0.1, 0.2), 0, 0, "round"),
    ):
        with pytest.raises(DataError, match=what):
            blocks(starts, 20, shares, gap, rounds)
