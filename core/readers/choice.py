"""Multiple choice as a backbone over a text backbone: every option is a pair with its question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from medplug.core.answers.options import MOST
from medplug.core.answers.questions import Choice, Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.batches import Positions
from medplug.core.features import Features
from medplug.core.readers.pair import PairItem, PairReader, Way, alone


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """One prepared question: a pair an option."""

    pairs: tuple[PairItem, ...]


class ChoiceReader(PairReader):
    """Questions with 2 to 8 options, each option a pair that is read as `pairs` reads pairs.

    Pooled are ``[batch, 8 * (pair_width + 1)]``: a block an option, whose last column is 1
    where the question has that option; the blocks of others are 0.
    """

    def __init__(self, pairs: PairReader) -> None:
        super().__init__(pairs.text, pairs.way)
        self.width = MOST * (self.pair_width + 1)

    def over(self, text: Backbone) -> Self:
        """The same way of reading through another text backbone."""
        return type(self)(PairReader(text, self.way))

    @property
    def pairs(self) -> PairReader:
        """The reader of single pairs."""
        return PairReader(self.text, self.way)

    def texts(self, value: Any) -> Sequence[str]:
        """The question, its context and its options."""
        return [value.question, *([value.context] if value.context else []), *value.options]

    def prepare(self, values: Sequence[Any]) -> list[Any]:
        """One item a question; what options or questions share is prepared once."""
        pairs = iter(super().prepare([pair for value in values for pair in option_pairs(value, self.way)]))
        return [ChoiceItem(tuple(next(pairs) for _ in value.options)) for value in values]

    def size(self, item: Any) -> int:
        """Tokens computed for all options of this question alone."""
        return sum(self.text.size(part) for part in {id(part): part for part in self._parts(item)}.values())

    def batches(self, items: Sequence[Any], budget: int) -> list[Positions]:
        """Questions of like length together: in a batch all options are padded to the longest."""
        costs = [[(len(parts), max(parts, default=0)) for parts in self._sizes(item)] for item in items]
        return cut(np.array(costs, dtype=np.int64).reshape(len(items), -1, 2), budget)

    def _sizes(self, item: ChoiceItem) -> list[list[int]]:
        """What the different sequences of each side cost."""
        sides = [[getattr(pair, side) for pair in item.pairs] for side in self._sides]
        distinct = [{id(part): part for part in parts if part is not None} for parts in sides]
        return [[self.text.size(part) for part in parts.values()] for parts in distinct]

    def collate(self, items: Sequence[Any]) -> Inputs:
        """The batch of all options' pairs; `place` ``[batch, 8]`` is each option's among them, -1 for none."""
        place = torch.full((len(items), MOST), -1)
        start = 0
        for row, item in zip(place, items, strict=True):
            row[: len(item.pairs)] = torch.arange(start, start + len(item.pairs))
            start += len(item.pairs)
        return {**super().collate([pair for item in items for pair in item.pairs]), "place": place}

    def forward(self, inputs: Inputs) -> Features:
        """The blocks of every question; they are its only token."""
        place = inputs["place"]
        found = super().forward({name: each for name, each in inputs.items() if name != "place"}).pooled
        told = torch.cat([found, found.new_ones(len(found), 1)], 1)
        blocks = torch.cat([told, told.new_zeros(1, told.shape[1])])[place]  # [batch, 8, pair_width + 1]
        return alone(blocks.flatten(1))

    def _parts(self, item: Any) -> list[Any]:
        return [part for pair in item.pairs for part in super(ChoiceReader, self)._parts(pair)]


def option_pairs(value: Choice, way: Way) -> list[Pair]:
    """A pair an option.

    Read together a context is the second text, which may be cut, and the option stands
    with the question, which is kept; read apart the options share what stands before them.
    """
    if value.context is None:
        return [Pair(value.question, option) for option in value.options]
    if way == "together":
        return [Pair(f"{value.question}\n{option}", value.context) for option in value.options]
    return [Pair(f"{value.question}\n{value.context}", option) for option in value.options]


def cut(costs: Positions, budget: int) -> list[Positions]:
    """Cut rows into batches within `budget` tokens, from how many sequences each has a side and the longest.

    `costs` is ``[rows, sides, 2]``. Rows with the longest sequences go first; one that costs more than
    the budget stands alone. Every position comes exactly once.
    """
    order = np.argsort(-costs[:, :, 1].max(axis=1, initial=0), kind="stable")
    batches: list[Positions] = []
    start, count, longest = 0, np.zeros(costs.shape[1], np.int64), np.zeros(costs.shape[1], np.int64)
    for at, row in enumerate(order.tolist()):
        count, longest = count + costs[row, :, 0], np.maximum(longest, costs[row, :, 1])
        if at > start and int(count @ longest) > budget:
            batches.append(order[start:at])
            start, count, longest = at, costs[row, :, 0], costs[row, :, 1]
    return [*batches, order[start:]] if len(order) else []
