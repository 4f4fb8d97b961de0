"""Questions and contexts as windows of tokens, in which an answer begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from medplug.core.answers.questions import Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.readers.reader import Reader
from medplug.core.readers.windows import SpanWindow

Windows = tuple[SpanWindow, ...]
"""One prepared row: its windows in the order of the context, one at least."""
_OF_TEXT = "text."


class SpanReader(Reader):
    """A question before each window of its context, through the text backbone `text`.

    Its raw values are `Pair`s. Windows share `overlap` tokens of the context, fewer where
    the model has little room. `longest` is the most tokens of an answer, for whoever
    decodes. Equal pairs share their windows.
    """

    def __init__(self, text: Backbone, *, overlap: int, longest: int) -> None:
        super().__init__(text)
        self.width = text.width
        self.overlap, self.longest = overlap, longest

    def over(self, text: Backbone) -> Self:
        """The same windows through another text backbone."""
        return type(self)(text, overlap=self.overlap, longest=self.longest)

    def texts(self, value: Pair) -> Sequence[str]:
        """The question and its context."""
        return value.question, value.context

    def prepare(self, values: Sequence[Pair]) -> list[Windows]:
        """The windows of every row; each distinct pair is cut once."""
        pairs = list(dict.fromkeys(values))
        cut = self.text.span_windows([pair.question for pair in pairs], [pair.context for pair in pairs], self.overlap)
        known = {pair: tuple(windows) for pair, windows in zip(pairs, cut, strict=True)}
        return [known[value] for value in values]

    def train(self, mode: bool = True) -> Self:
        """Set the mode; weights that are frozen give what they always give, without dropout."""
        return super().train(mode and any(each.requires_grad for each in self.parameters()))

    def size(self, item: Windows) -> int:
        """Tokens of all windows."""
        return sum(self.text.size(window.item) for window in item)

    def collate(self, items: Sequence[Windows]) -> Inputs:
        """The windows of all rows on top of each other, and which of their tokens are of contexts.

        What the text backbone is given stands under ``text.<name>``, `context`
        ``[windows, tokens]`` is True for a context's token, and `grid` ``[batch, most]`` holds
        the place of each row's windows, or the number of windows where it has fewer.
        """
        windows = [window for item in items for window in item]
        context = np.zeros((len(windows), max(len(window.offsets) for window in windows)), dtype=bool)
        for mask, window in zip(context, windows, strict=True):
            mask[: len(window.offsets)] = window.of_context
        counts = np.array([len(item) for item in items], dtype=np.int64)
        places = (np.cumsum(counts) - counts)[:, None] + np.arange(counts.max())
        grid = np.where(np.arange(counts.max()) < counts[:, None], places, len(windows))
        inputs = {f"{_OF_TEXT}{name}": each for name, each in self.text.collate([w.item for w in windows]).items()}
        return {**inputs, "context": torch.from_numpy(context), "grid": torch.from_numpy(grid)}

    def forward(self, inputs: Inputs) -> Features:
        """The features of every row: the mean of its windows, and their tokens one after another."""
        found: Features = self.text(
            {name.removeprefix(_OF_TEXT): each for name, each in inputs.items() if name.startswith(_OF_TEXT)}
        )
        grid, windows = inputs["grid"], len(found.pooled)
        if grid.shape[1] == 1:
            return found
        real = grid < windows
        pooled = _and_none(found.pooled)[grid].sum(1) / real.sum(1, keepdim=True)
        tokens, mask = (_and_none(each)[grid].flatten(1, 2) for each in (found.tokens, found.mask))
        return Features(pooled, tokens, mask)

    def census(self, items: Sequence[Windows]) -> dict[str, int]:
        """How many contexts are read in several windows, and how many questions lost their end."""
        several, cut = sum(len(item) > 1 for item in items), sum(item[0].cut for item in items)
        told = {"rows whose context is read in several windows": several, "rows whose question was cut": cut}
        return {what: rows for what, rows in told.items() if rows}


def each_window(item: Windows) -> list[Windows]:
    """The windows of a row, each as a row of its own."""
    return [(window,) for window in item]


def _and_none(each: Tensor) -> Tensor:
    """With a last entry of zeros, for windows that a row does not have."""
    return torch.cat([each, each.new_zeros(1, *each.shape[1:])])
