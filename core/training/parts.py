"""Frozen features of a joint model: each slot's are made by its own backbone, once, and put side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.adapter import Matrix
from medplug.core.features import Features
from medplug.core.fusion.concat import Concat
from medplug.core.joint.backbone import JointBackbone
from medplug.core.readers.pair import PairReader
from medplug.core.training.frozen import Encoded, FrozenFeatures, encode
from medplug.core.training.job import Job
from medplug.core.training.pair_features import PairFeatures


@dataclass(frozen=True, slots=True)
class PartRows:
    """One slot's raw values by split, and the places of the rows that have them."""

    values: dict[str, list[Any]]
    places: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, job: Job, slot: str) -> PartRows:
        """Those of the run."""
        given = {split: examples.inputs[slot] for split, examples in job.dataset.splits.items()}
        places = {
            split: np.flatnonzero([value is not None for value in values]).astype(np.int64)
            for split, values in given.items()
        }
        return cls({split: [given[split][i] for i in places[split]] for split in given}, places)


class JointFeatures(FrozenFeatures):
    """The features of the slots whose backbones mean something as they are, side by side.

    A row that lacks a slot has the training rows' mean in its place, and a column
    says so. They are what the model's own fusion gives, where this has nothing to
    learn and every backbone is of that kind.
    """

    backbone: JointBackbone

    def __init__(self, backbone: JointBackbone, job: Job, *, pretrained: bool = True) -> None:
        super().__init__(backbone, job, pretrained=pretrained)
        self.rows = {slot: PartRows.of(job, slot) for slot in backbone.parts}
        self._known: dict[str, Encoded] = {}

    def pooled(self, slot: str) -> dict[str, Matrix]:
        """Pooled features ``[rows that have the slot, width]`` by split."""
        return self._encoded(slot).splits

    def _encoded(self, slot: str) -> Encoded:
        if slot not in self._known:
            encoder, part = self.job.plan.encoders[slot], self.backbone.part(slot)
            kept = self.pretrained and encoder.choice.source is not None
            found = encode(part, self.rows[slot].values, self.job, pretrained=kept, what=slot)
            self._known[slot] = found
            self.notes[f"distinct inputs encoded: {slot}"] = found.distinct
            self.note(slot, found.census)
        return self._known[slot]

    def note(self, slot: str, census: Mapping[str, Mapping[str, int]]) -> None:
        """Keep what a slot's backbone noticed by split, and how many rows lack the slot."""
        for split, examples in self.job.dataset.splits.items():
            told = {f"{what} ({slot})": count for what, count in census.get(split, {}).items()}
            lacking = len(examples) - len(self.rows[slot].places[split])
            self.census.setdefault(split, {}).update(told | ({f"rows without {slot}": lacking} if lacking else {}))

    @cached_property
    def splits(self) -> dict[str, Matrix]:
        """The features ``[rows, width]`` by split."""
        encoders = self.job.plan.encoders
        slots = [slot for slot in self.backbone.parts if encoders[slot].choice.meaningful]
        found = {slot: self.pooled(slot) for slot in slots}
        fusion = self.backbone.fusion
        own = len(slots) == len(encoders) and isinstance(fusion, Concat)
        side_by_side = fusion if own and isinstance(fusion, Concat) else Concat({s: self._width(s) for s in slots})
        means = {
            slot: torch.from_numpy(each["train"].mean(axis=0)) for slot, each in found.items() if len(each["train"])
        }
        side_by_side.set_placeholders(means)
        device = next(side_by_side.parameters()).device
        joined: dict[str, Matrix] = {}
        for split, examples in self.job.dataset.splits.items():
            rows = {slot: self._spread(found[slot][split], slot, split, len(examples)) for slot in slots}
            with torch.inference_mode():
                fused = side_by_side.eval()({slot: _on(each, device) for slot, each in rows.items()})
            joined[split] = fused.joined.float().cpu().numpy()
        return joined

    def _width(self, slot: str) -> int:
        return self.backbone.part(slot).width

    def _spread(self, values: Matrix, slot: str, split: str, rows: int) -> Features:
        places = self.rows[slot].places[split]
        pooled, mask = np.zeros((rows, values.shape[1]), dtype=np.float32), np.zeros((rows, 1), dtype=np.bool_)
        pooled[places], mask[places] = values, True
        found = torch.from_numpy(pooled)
        return Features(found, found.unsqueeze(1), torch.from_numpy(mask))


def frozen_features(backbone: Any, job: Job, *, pretrained: bool = True) -> FrozenFeatures:
    """The frozen features of a backbone, of one modality or of several, or of one that reads questions."""
    kind = JointFeatures if isinstance(backbone, JointBackbone) else FrozenFeatures
    kind = PairFeatures if isinstance(backbone, PairReader) else kind
    return kind(backbone, job, pretrained=pretrained)


def _on(features: Features, device: torch.device) -> Features:
    return Features(*(each.to(device) for each in (features.pooled, features.tokens, features.mask)))
