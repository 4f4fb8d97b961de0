"""Several backbones and a fusion, as one backbone over rows that may lack some of the modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations
from typing import Any, NoReturn, Self

import torch
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.content import JointRow
from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import withhold

Item = dict[str, Any]
"""One prepared row: the item of each slot that it has."""
_PRESENT = "present"


class JointBackbone(Backbone):
    """The backbones of a run's slots, each fed with the rows that have it, and the fusion of what they give.

    Its raw values are `JointRow`s. In training a modality of a row is withheld at
    random (`modality_dropout`), so that a model trained on whole rows serves any
    of them alone.
    """

    def __init__(self, parts: Mapping[str, Backbone], fusion: Fusion, modality_dropout: float) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.fusion, self.modality_dropout = fusion, modality_dropout
        self.width, self.decides = fusion.width, fusion.decides

    @classmethod
    def create(cls, options: Any, source: Any) -> NoReturn:
        """Never: it is made of parts that exist."""
        raise TypeError(f"{cls.__name__} is made of backbones and a fusion, not of options")

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> NoReturn:
        """Never: its parts are restored one by one."""
        raise TypeError(f"{cls.__name__} is made of backbones that are restored first")

    def again(self) -> Self:
        """The same parts with random weights, and a copy of this fusion."""
        parts = {slot: part.again() for slot, part in self.each()}
        return type(self)(parts, deepcopy(self.fusion), self.modality_dropout)

    def each(self) -> list[tuple[str, Backbone]]:
        """The slots and their backbones."""
        return list(self.parts.items())  # type: ignore[arg-type]

    def part(self, slot: str) -> Backbone:
        """The backbone of one slot."""
        found = self.parts[slot]
        assert isinstance(found, Backbone)
        return found

    @property
    def subsets(self) -> list[tuple[str, ...]]:
        """Every choice of one slot or more, the small ones first; the last is the whole."""
        slots = tuple(self.parts)
        return [chosen for size in range(1, len(slots) + 1) for chosen in combinations(slots, size)]

    def assets(self) -> dict[str, Any]:
        """Those of each slot's backbone."""
        return {slot: part.assets() for slot, part in self.each()}

    def learn(self, values: Sequence[JointRow], groups: Sequence[str] | None = None) -> None:
        """Let each backbone learn from the rows that have it."""
        for slot, part in self.each():
            rows = [i for i, row in enumerate(values) if row[slot] is not None]
            part.learn([values[i][slot] for i in rows], None if groups is None else [groups[i] for i in rows])

    def prepare(self, values: Sequence[JointRow]) -> list[Item]:
        """The prepared items of each row, by slot."""
        items: list[Item] = [{} for _ in values]
        for slot, part in self.each():
            rows = [i for i, row in enumerate(values) if row[slot] is not None]
            for i, item in zip(rows, part.prepare([values[i][slot] for i in rows]), strict=True):
                items[i][slot] = item
        return items

    def size(self, item: Item) -> int:
        """The sum over its slots."""
        return sum(self.part(slot).size(each) for slot, each in item.items())

    def collate(self, items: Sequence[Item]) -> Inputs:
        """Each slot's batch of the rows that have it, under ``<slot>.<name>``, and their places ``<slot>.rows``.

        `present` ``[batch, slots]`` says who has what; a slot that no row has is left out.
        """
        inputs: Inputs = {_PRESENT: torch.tensor([[slot in item for slot in self.parts] for item in items])}
        for slot, part in self.each():
            rows = [i for i, item in enumerate(items) if slot in item]
            if rows:
                batch = part.collate([items[i][slot] for i in rows])
                inputs |= {f"{slot}.{name}": tensor for name, tensor in batch.items()}
                inputs[f"{slot}.rows"] = torch.tensor(rows)
        return inputs

    def forward(self, inputs: Inputs) -> Features:
        """The joined features; they are a row's only token."""
        joined = self.joined(self.encoded(inputs)).joined
        mask = torch.ones(len(joined), 1, dtype=torch.bool, device=joined.device)
        return Features(joined, joined.unsqueeze(1), mask)

    def encoded(self, inputs: Inputs) -> dict[str, Features]:
        """The features of each slot for all rows of a batch."""
        return {slot: self._of_all(slot, part, inputs) for slot, part in self.each()}

    def joined(self, features: Mapping[str, Features]) -> Fused:
        """The features of all slots joined; in training some are withheld first."""
        if self.training and self.modality_dropout:
            features = withhold(features, self.modality_dropout)
        fused: Fused = self.fusion(features)
        return fused

    def _of_all(self, slot: str, part: Backbone, inputs: Inputs) -> Features:
        present = inputs[_PRESENT]
        rows = inputs.get(f"{slot}.rows")
        if rows is None:
            pooled = torch.zeros(len(present), part.width, device=present.device)
            return Features(pooled, pooled.unsqueeze(1), present.new_zeros(len(present), 1))
        own = {
            name.removeprefix(f"{slot}."): tensor
            for name, tensor in inputs.items()
            if name.startswith(f"{slot}.") and name != f"{slot}.rows"
        }
        found: Features = part(own)
        if len(rows) == len(present):
            return found
        return Features(*(_spread(each, rows, len(present)) for each in (found.pooled, found.tokens, found.mask)))

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every part, which settles its own batch norms."""
        return nn.Module.train(self, mode)

    def census(self, items: Sequence[Item]) -> dict[str, int]:
        """What each backbone noticed, and how many rows lack it."""
        found: dict[str, int] = {}
        for slot, part in self.each():
            own = [item[slot] for item in items if slot in item]
            found |= {f"{what} ({slot})": count for what, count in part.census(own).items()}
            if len(own) < len(items):
                found[f"rows without {slot}"] = len(items) - len(own)
        return found

    def provenance(self) -> dict[str, str]:
        """Where each backbone's weights came from."""
        return {f"{slot}.{name}": told for slot, part in self.each() for name, told in part.provenance().items()}

    def reading(self) -> str:
        """What each network is given, as far as they say."""
        told = {slot: part.reading() for slot, part in self.each()}
        return "; ".join(f"{slot}: {line}" for slot, line in told.items() if line)


def _spread(rows: Tensor, places: Tensor, batch: int) -> Tensor:
    """`rows` at their `places` among `batch` rows of zeros (False)."""
    return rows.new_zeros(batch, *rows.shape[1:]).index_copy(0, places, rows)


def only(features: Mapping[str, Features], slots: Sequence[str]) -> dict[str, Features]:
    """The features with all but these slots withheld; a row that has none of them keeps what it has."""
    has_any = torch.stack([features[slot].present for slot in slots]).any(0)
    keeps = ~has_any[:, None]
    return {
        slot: each if slot in slots else Features(each.pooled, each.tokens, each.mask & keeps)
        for slot, each in features.items()
    }
