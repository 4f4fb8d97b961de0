"""Which stretch of a recording a prediction rests on: each gives way to a flat line (Shapley values)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from medplug.core.explaining.shapley import Coalitions, Places, Shares, Values, shares
from medplug.core.signals.signal import Signal

SEGMENTS = 12

Much = Callable[[Sequence[Signal]], Values]
"""How much each recording makes the model say what is explained ``[recordings]``."""


def of_segments(much: Much, signal: Signal, asked: int, seed: int) -> tuple[Shares, tuple[str, ...]]:
    """The values of stretches of equal length, all channels together, and what these are called.

    What is usual is each channel's own mean all along; about `asked` predictions are asked for. The
    values sum to what the whole recording says beyond that.
    """
    samples = signal.samples.shape[1]
    edges = np.linspace(0, samples, min(SEGMENTS, samples) + 1).round().astype(int)
    of = np.repeat(np.arange(len(edges) - 1), np.diff(edges))  # the stretch of each sample
    flat = np.broadcast_to(signal.samples.mean(axis=1, keepdims=True), signal.samples.shape)

    def game(kept: Coalitions, places: Places) -> Values:
        return much([Signal(np.where(keeps[of], signal.samples, flat), signal.rate) for keeps in kept])

    return shares(game, len(edges) - 1, 1, asked=asked, seed=seed), _named(edges, signal.rate)


def _named(edges: np.ndarray[tuple[int], np.dtype[np.int_]], rate: float | None) -> tuple[str, ...]:
    pairs = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    if rate is None:
        return tuple(f"samples {first + 1}-{last}" for first, last in pairs)
    return tuple(f"{first / rate:.3g}-{last / rate:.3g} s" for first, last in pairs)
