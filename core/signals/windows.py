"""Cutting one long recording into windows, and windows into splits that share no sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.splits import TEST, TRAIN, VALIDATION
from medplug.core.errors import DataError
from medplug.core.signals.signal import Signal

DROPPED = "drop"
"""What the split of a window is called that would lie in two; a split column may hold it."""

Starts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording: its signal, where it starts (in samples), and the label of most of its samples."""

    signal: Signal
    start: int
    label: Any = None


def windows(signal: Signal, labels: Sequence[Any] | None, length: int, step: int) -> list[Window]:
    """Cut a recording into windows of `length` samples that start every `step` samples.

    `labels` has one a sample. What is left at the end is not used. Raises
    `DataError` where the recording is shorter than one window or the labels are
    not as many as its samples.
    """
    total = signal.samples.shape[1]
    starts = window_starts(total, length, step)
    if labels is not None and len(labels) != total:
        raise DataError(f"there are {len(labels)} labels and {total} samples; each sample needs one label")
    named = [None] * len(starts) if labels is None else majority(labels, starts, length)
    return [
        Window(Signal(signal.samples[:, start : start + length], signal.rate), start, label)
        for start, label in zip(starts.tolist(), named, strict=True)
    ]


def window_starts(total: int, length: int, step: int) -> Starts:
    """Where windows start in `total` samples ``[windows]``; `DataError` where not one fits in."""
    if length < 1 or step < 1:
        raise DataError(f"windows need a length and a step of at least one sample; got {length} and {step}")
    if total < length:
        raise DataError(f"the recording has {total} samples, fewer than one window of {length}; shorten the window")
    return np.arange(0, total - length + 1, step)


def majority(labels: Sequence[Any], starts: Starts, length: int) -> list[Any]:
    """The label of most samples of each window; of equally many, the one that comes first in it."""
    values = list(labels)
    return [Counter(values[start : start + length]).most_common(1)[0][0] for start in starts.tolist()]


def blocks(
    starts: Starts,
    length: int,
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
    gap: int = 0,
    rounds: int = 1,
) -> list[str]:
    """The split of each window of `length` samples: whole stretches of time are train, validation and test.

    The time from the first window's start to the last one's end is cut into
    `rounds` equal parts, and each of these by `shares` into the three splits in
    this order. A window that lies in two of them, or begins less than `gap`
    samples after one does, is `DROPPED`: windows of different splits share no
    sample and lie at least `gap` samples apart. Neighbours in time resemble each
    other, so that windows drawn at random would show the model its test rows.

    Raises `DataError` for impossible numbers, and where a split gets no window.
    """
    _check(starts, shares, gap, rounds)
    first, last = int(starts.min()), int(starts.max()) + length
    within = np.cumsum([0.0, *shares])[:-1]
    whole = (last - first) / rounds
    edges = np.round(first + whole * np.add.outer(np.arange(rounds), within)).astype(np.int64).ravel()
    names = np.tile([TRAIN, VALIDATION, TEST], rounds)
    real = np.diff(np.append(edges, last)) > 0
    edges, names = edges[real], names[real]
    block = np.searchsorted(edges, starts, side="right") - 1
    ends = np.append(edges[1:], last)
    begins = edges + np.where(np.arange(len(edges)) > 0, gap, 0)
    inside = (starts >= begins[block]) & (starts + length <= ends[block])
    found = np.where(inside, names[block], DROPPED).tolist()
    empty = [name for name, share in zip((TRAIN, VALIDATION, TEST), shares, strict=True) if share and name not in found]
    if empty:
        step = "make the recording longer, or windows, gap or rounds smaller"
        raise DataError(f"no window of {length} samples lies whole in a block of {' or '.join(empty)}; {step}")
    return [str(name) for name in found]


def _check(starts: Starts, shares: tuple[float, float, float], gap: int, rounds: int) -> None:
    if len(starts) == 0:
        raise DataError("there are no windows to assign to splits")
    if min(shares) < 0 or shares[0] == 0 or abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"the shares of train, validation and test add up to 1, the first above 0; got {shares}")
    if gap < 0 or rounds < 1:
        raise DataError(f"blocks need a gap of at least 0 samples and at least one round; got {gap} and {rounds}")
