"""Pairs of texts as one backbone over a text backbone: read as one sequence, or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

from medplug.core.answers.questions import Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.batches import Positions
from medplug.core.features import Features
from medplug.core.joint.cuts import Shared, shared_batches
from medplug.core.readers.reader import Reader

Way = Literal["together", "apart", "side_by_side"]
"""One sequence a pair, or each text by itself: then joined with how they differ, or only laid side by side."""
_TIMES: dict[Way, int] = {"together": 1, "apart": 4, "side_by_side": 2}


@dataclass(frozen=True, slots=True)
class PairItem:
    """One prepared pair: `first`, its question or all of it, and `second`, its context; None for what is empty.

    Equal texts are one object, so that a batch can tell that they are equal.
    """

    first: Any
    second: Any = None


class PairReader(Reader):
    """Pairs through the text backbone `text`, in one of three ways.

    Read `together` a pair is one sequence, in the tokenizer's own layout of pairs,
    and the features are that sequence's. Read `apart` the question u and the context v
    are encoded by the same weights, and pooled are ``[u, v, |u - v|, u * v]``
    (Conneau et al., 2017, "Supervised Learning of Universal Sentence
    Representations"); `side_by_side` they are ``[u, v]`` alone. There an empty text
    is a vector of zeros. Equal sequences and equal texts are encoded once a batch.
    """

    def __init__(self, text: Backbone, way: Way) -> None:
        super().__init__(text)
        self.way = way
        self.width = self.pair_width = text.width * _TIMES[way]

    def over(self, text: Backbone) -> Self:
        """The same way of reading through another text backbone."""
        return type(self)(text, self.way)

    def texts(self, value: Pair) -> Sequence[str]:
        """The question and its context."""
        return value.question, value.context

    def prepare(self, values: Sequence[Pair]) -> list[Any]:
        """One item a pair; equal texts, or read together equal pairs, share what was prepared."""
        if self.way == "together":
            distinct = list(dict.fromkeys(values))
            made = self.text.prepare_pairs([pair.question for pair in distinct], [pair.context for pair in distinct])
            items = dict(zip(distinct, map(PairItem, made), strict=True))
            return [items[pair] for pair in values]
        texts = list(dict.fromkeys(text for pair in values for text in (pair.question, pair.context) if text))
        known = dict(zip(texts, self.text.prepare(texts), strict=True))
        return [PairItem(known.get(pair.question), known.get(pair.context)) for pair in values]

    def size(self, item: Any) -> int:
        """Tokens computed for this pair alone."""
        return sum(self.text.size(part) for part in (item.first, item.second) if part is not None)

    def batches(self, items: Sequence[Any], budget: int) -> list[Positions]:
        """Pairs that share a text stand together, and it counts once a batch."""
        return shared_batches([self._shared(items, side) for side in self._sides], budget=budget, by_row=False)

    def _shared(self, items: Sequence[PairItem], side: str) -> Shared:
        parts = [getattr(item, side) for item in items]
        distinct = {id(part): part for part in parts if part is not None}
        return Shared.of(parts, {key: self.text.size(part) for key, part in distinct.items()})

    @property
    def _sides(self) -> tuple[str, ...]:
        return ("first",) if self.way == "together" else ("first", "second")

    def collate(self, items: Sequence[Any]) -> Inputs:
        """The batches of different questions and of contexts that are no question, and which are each pair's.

        They stand under ``first.<name>`` and ``second.<name>``, so that short questions are
        not padded to their contexts; `of` ``[batch, sides]`` counts through both, -1 for an empty text.
        """
        places: dict[int, int] = {}
        inputs: Inputs = {}
        for side in self._sides:
            parts = {id(part): part for item in items if (part := getattr(item, side)) is not None}
            new = {key: part for key, part in parts.items() if key not in places}
            if new:
                batch = self.text.collate(list(new.values()))
                inputs |= {f"{side}.{name}": tensor for name, tensor in batch.items()}
                places |= {key: place for place, key in enumerate(new, len(places))}
        of = [[places.get(id(getattr(item, side)), -1) for side in self._sides] for item in items]
        return {**inputs, "of": torch.tensor(of)}

    def forward(self, inputs: Inputs) -> Features:
        """The features of every pair; read apart they are its only token."""
        of = inputs["of"]
        if self.way == "together":
            found: Features = self.text(_of_side(inputs, "first"))
            if len(found.pooled) == len(of):  # as many different pairs as rows: each row has its own, in order
                return found
            rows = of[:, 0]
            return Features(found.pooled[rows], found.tokens[rows], found.mask[rows])
        return alone(self._joined(self._encoded(inputs), of))

    def _encoded(self, inputs: Inputs) -> Tensor:
        """The pooled features of all texts of a batch, and a last row of zeros for empty ones."""
        sides = [own for side in self._sides if (own := _of_side(inputs, side))]
        found = [self.text(own).pooled for own in sides]
        zeros = torch.zeros(1, self.text.width, device=inputs["of"].device, dtype=found[0].dtype if found else None)
        return torch.cat([*found, zeros])

    def _joined(self, texts: Tensor, of: Tensor) -> Tensor:
        one, other = texts[of[:, 0]], texts[of[:, 1]]
        if self.way == "side_by_side":
            return torch.cat([one, other], 1)
        return torch.cat([one, other, (one - other).abs(), one * other], 1)

    def census(self, items: Sequence[Any]) -> dict[str, int]:
        """What the text backbone notices in the longest sequence of every row."""
        return self.text.census([max(self._parts(item), key=self.text.size) for item in items if self._parts(item)])

    def _parts(self, item: Any) -> list[Any]:
        """All sequences of a row."""
        return [part for part in (item.first, item.second) if part is not None]


def _of_side(inputs: Inputs, side: str) -> Inputs:
    """One side's batch as the text backbone collated it."""
    start = f"{side}."
    return {name.removeprefix(start): tensor for name, tensor in inputs.items() if name.startswith(start)}


def alone(pooled: Tensor) -> Features:
    """Features whose only token is what is pooled."""
    return Features(pooled, pooled.unsqueeze(1), torch.ones(len(pooled), 1, dtype=torch.bool, device=pooled.device))
