"""Texts of different lengths laid end to end on one line, so that no more is convolved than must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Line:
    """Where the tokens of a batch stand on its line.

    `starts` are the places of the first tokens ``[batch]``, `at` the place of every token
    ``[batch, tokens]`` (0, a padding, for none), `mask` ``[batch, tokens]`` says which are real.
    """

    places: int
    starts: NDArray[np.int64]
    at: Tensor
    mask: Tensor


def laid_out(lengths: Sequence[int], gap: int) -> Line:
    """Lay texts of so many tokens on a line, with `gap` paddings before, between and behind them."""
    counts = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(gap + counts) - counts
    step = np.arange(counts.max())
    mask = step < counts[:, None]
    at = np.where(mask, starts[:, None] + step, 0)
    places = int(starts[-1] + counts[-1]) + gap
    return Line(places, starts, torch.from_numpy(at), torch.from_numpy(mask))


def convolved(convolution: nn.Module, line: Tensor) -> Tensor:
    """Convolve ``[channels, places]`` to ``[filters, places]``, each place in the middle of its window."""
    assert isinstance(convolution, nn.Conv1d)
    beyond = convolution.kernel_size[0] - 1
    filtered: Tensor = convolution(functional.pad(line, (beyond // 2, beyond - beyond // 2)))
    return filtered
