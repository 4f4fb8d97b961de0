"""Several backbones and a fusion, as one backbone over rows that may lack some of the modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations
from typing import Any, NoReturn, Self

import torch
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.batches import Positions
from medplug.core.data.content import JointRow, content_key
from medplug.core.features import Features
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import withhold
from medplug.core.joint.cuts import Shared, shared_batches

Item = dict[str, Any]
"""One prepared row: the item of each slot that it has."""
_PRESENT = "present"


class JointBackbone(Backbone):
    """The backbones of a run's slots, each fed with the rows that have it, and the fusion of what they give.

    Its raw values are `JointRow`s. Its parts have learned from their own rows before they
    are joined. In training a modality of a row is withheld at
    random (`modality_dropout`), so that a model trained on whole rows serves any
    of them alone. What several rows share is encoded once a batch; its tokens are
    laid beside each row only where the fusion `reads_tokens`.
    """

    def __init__(
        self, parts: Mapping[str, Backbone], fusion: Fusion, modality_dropout: float, *, reads_tokens: bool = True
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.fusion, self.modality_dropout, self.reads_tokens = fusion, modality_dropout, reads_tokens
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
        return type(self)(parts, deepcopy(self.fusion), self.modality_dropout, reads_tokens=self.reads_tokens)

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

    def prepare(self, values: Sequence[JointRow]) -> list[Item]:
        """The prepared items of each row, by slot."""
        items: list[Item] = [{} for _ in values]
        for slot, part in self.each():
            rows = [i for i, row in enumerate(values) if row[slot] is not None]
            for i, item in zip(rows, prepare_once(part, [values[i][slot] for i in rows]), strict=True):
                items[i][slot] = item
        return items

    def size(self, item: Item) -> int:
        """The sum over its slots."""
        return sum(self.part(slot).size(each) for slot, each in item.items())

    def batches(self, items: Sequence[Item], budget: int) -> list[Positions]:
        """Rows that share an item stand together, and it counts once a batch."""
        return shared_batches(list(self.shared(items).values()), budget=budget, by_row=self.reads_tokens)

    def shared(self, items: Sequence[Item]) -> dict[str, Shared]:
        """Which item of each slot every row has, and what it costs."""
        found: dict[str, Shared] = {}
        for slot, part in self.each():
            costs = {id(item[slot]): item[slot] for item in items if slot in item}
            sizes = {key: part.size(each) for key, each in costs.items()}
            found[slot] = Shared.of([item.get(slot) for item in items], sizes)
        return found

    def collate(self, items: Sequence[Item]) -> Inputs:
        """Each slot's batch of its different items, under ``<slot>.<name>``, and which is each row's, ``<slot>.of``.

        An item that several rows share (a drug, a patient's only image) is encoded once.
        `present` ``[batch, slots]`` says who has what; a slot that no row has is left out.
        """
        inputs: Inputs = {_PRESENT: torch.tensor([[slot in item for slot in self.parts] for item in items])}
        for slot, part in self.each():
            distinct = {id(item[slot]): item[slot] for item in items if slot in item}
            if distinct:
                batch = part.collate(list(distinct.values()))
                inputs |= {f"{slot}.{name}": tensor for name, tensor in batch.items()}
                place = {key: i for i, key in enumerate(distinct)}
                inputs[f"{slot}.of"] = torch.tensor([place[id(item[slot])] if slot in item else 0 for item in items])
        return inputs

    def forward(self, inputs: Inputs) -> Features:
        """The joined features; they are a row's only token."""
        joined = self.joined(self.encoded(inputs)).joined
        mask = torch.ones(len(joined), 1, dtype=torch.bool, device=joined.device)
        return Features(joined, joined.unsqueeze(1), mask)

    def encoded(self, inputs: Inputs) -> dict[str, Features]:
        """The features of each slot for all rows of a batch."""
        present = inputs[_PRESENT]
        return {slot: self._of_all(slot, part, inputs, present[:, i]) for i, (slot, part) in enumerate(self.each())}

    def joined(self, features: Mapping[str, Features]) -> Fused:
        """The features of all slots joined; in training some are withheld first."""
        if self.training and self.modality_dropout:
            features = withhold(features, self.modality_dropout)
        fused: Fused = self.fusion(features)
        return fused

    def _of_all(self, slot: str, part: Backbone, inputs: Inputs, present: Tensor) -> Features:
        of = inputs.get(f"{slot}.of")
        if of is None:
            pooled = torch.zeros(len(present), part.width, device=present.device)
            return Features(pooled, pooled.unsqueeze(1), present.new_zeros(len(present), 1))
        own = {
            name.removeprefix(f"{slot}."): tensor
            for name, tensor in inputs.items()
            if name.startswith(f"{slot}.") and name != f"{slot}.of"
        }
        found: Features = part(own)
        if len(found.pooled) == len(present):  # as many different items as rows: each row has its own, in order
            return found
        if not self.reads_tokens:
            pooled = found.pooled[of]
            return Features(pooled, pooled.unsqueeze(1), present[:, None])
        return Features(found.pooled[of], found.tokens[of], found.mask[of] & present[:, None])

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every part, which settles its own batch norms."""
        return nn.Module.train(self, mode)

    def provenance(self) -> dict[str, str]:
        """Where each backbone's weights came from."""
        return {f"{slot}.{name}": told for slot, part in self.each() for name, told in part.provenance().items()}

    def reading(self) -> str:
        """What each network is given, as far as they say."""
        told = {slot: part.reading() for slot, part in self.each()}
        return "; ".join(f"{slot}: {line}" for slot, line in told.items() if line)


def prepare_once(part: Backbone, values: Sequence[Any]) -> list[Any]:
    """The prepared item of each value; equal values share one, so that a batch can tell that they are equal."""
    keys = [content_key(value) for value in values]
    distinct = dict(zip(keys, values, strict=True))
    items = dict(zip(distinct, part.prepare(list(distinct.values())), strict=True))
    return [items[key] for key in keys]


def only(features: Mapping[str, Features], slots: Sequence[str]) -> dict[str, Features]:
    """The features with all but these slots withheld; a row that has none of them keeps what it has."""
    has_any = torch.stack([features[slot].present for slot in slots]).any(0)
    keeps = ~has_any[:, None]
    return {
        slot: each if slot in slots else Features(each.pooled, each.tokens, each.mask & keeps)
        for slot, each in features.items()
    }
