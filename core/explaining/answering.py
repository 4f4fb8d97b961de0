"""Asking a model about many rows that are put together from a few: what they share is encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.content import JointRow, content_key
from medplug.core.data.tabular import TableRow
from medplug.core.ensemble import Ensemble, averaged
from medplug.core.features import Features
from medplug.core.joint.backbone import Item, JointBackbone
from medplug.core.model import Model
from medplug.core.training.cache import FeatureCache, backbone_key
from medplug.core.training.compute import infer
from medplug.core.training.encodings import encode_items
from medplug.core.training.vectors import Encodings, Vectors, behind

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

Predictions = NDArray[np.float64]
"""``[rows, columns]``, as `medplug.core.data.targets.Target.probabilities` gives them."""


class Answering:
    """A predictor that is asked about one row after another made of the same parts.

    Of a model of several modalities each part's value is encoded once however many rows hold it,
    but for rows of a table, which cost nothing; `features` is a folder where frozen ones may lie already.
    """

    def __init__(self, predictor: Predictor, features: Path | None = None) -> None:
        self.predictor = predictor
        model = predictor.model.ready()
        each = model.each if isinstance(model, Ensemble) else [model]
        self._members = [_Member(one, predictor, features) for one in each if isinstance(one.backbone, JointBackbone)]

    @property
    def reads_tokens(self) -> bool:
        """Whether modalities are joined token by token, so that each row costs far more than its features."""
        return any(member.joint.reads_tokens for member in self._members)

    def __call__(self, values: Sequence[Any]) -> Predictions:
        """What is predicted of raw values."""
        target = self.predictor.target
        if not self._members:
            return target.probabilities(self.predictor.logits(values))
        found = [member.logits(values) for member in self._members]
        if len(found) == 1:
            return target.probabilities(found[0])
        return target.probabilities(averaged(torch.from_numpy(np.stack(found)), target.kind).numpy())


class _Member:
    """One model of several modalities, behind the features of its parts."""

    def __init__(self, model: Model, predictor: Predictor, features: Path | None) -> None:
        joint = model.backbone
        assert isinstance(joint, JointBackbone)
        self.joint, self.compute, self.features = joint, predictor.compute, features
        self.known: dict[str, dict[bytes, Any]] = {slot: {} for slot in joint.parts}
        self.fixed = [slot for slot, _ in joint.each() if predictor.task.slots[slot] != "tabular"]
        stand_in = Encodings if joint.reads_tokens else Vectors
        parts: dict[str, Backbone] = {
            slot: stand_in(part.width) if slot in self.fixed else part for slot, part in joint.each()
        }
        together = JointBackbone(parts, joint.fusion, joint.modality_dropout, reads_tokens=joint.reads_tokens)
        self.model = behind(model, predictor.target, together).eval()

    def logits(self, values: Sequence[JointRow]) -> NDArray[np.float32]:
        """Logits ``[rows, outputs]``."""
        items: list[Item] = [{} for _ in values]
        for slot in self.joint.parts:
            rows = [i for i, row in enumerate(values) if row[slot] is not None]
            for i, item in zip(rows, self._items(slot, [values[i][slot] for i in rows]), strict=True):
                items[i][slot] = item
        return infer(self.model, self.model.backbone, items, self.compute)

    def _items(self, slot: str, values: Sequence[Any]) -> list[Any]:
        """What stands in for these values; equal ones share one."""
        known = self.known[slot]
        keys = [content_key(value) for value in values]
        new = {key: value for key, value in zip(keys, values, strict=True) if key not in known}
        if new:
            known.update(zip(new, self._encoded(slot, list(new.values())), strict=True))
        return [known[key] for key in keys]

    def _encoded(self, slot: str, values: list[Any]) -> Sequence[Any]:
        part, compute = self.joint.part(slot), self.compute
        if slot not in self.fixed:
            return part.prepare(values)
        if self.joint.reads_tokens:
            return encode_items(part, part.prepare(values), compute, lambda done, total: None)

        def pooled(inputs: Inputs) -> Tensor:
            features: Features = part(inputs)
            return features.pooled

        def encode(missing: list[Any]) -> NDArray[np.float32]:
            return infer(pooled, part, part.prepare(missing), compute)

        if self.features is None or any(parameter.requires_grad for parameter in part.parameters()):
            return list(encode(values))
        cache = FeatureCache(backbone_key(part, str(compute.dtype)), self.features)
        return list(cache.features(values, encode))


def put(value: Any, slot: str, part: Any) -> Any:
    """A raw value of a row with another value in one slot; where there is one slot, that value itself."""
    return JointRow({**value.values, slot: part}) if isinstance(value, JointRow) else part


def taken(value: Any, slot: str) -> Any:
    """A row's value of one slot."""
    return value[slot] if isinstance(value, JointRow) else value


def mixed(
    own: TableRow, others: Sequence[TableRow], kept: NDArray[np.bool_], places: NDArray[np.int64]
) -> list[TableRow]:
    """The row's own values where `kept` ``[asked, columns]``, else those of ``others[places]``.

    Columns are numbers first, then categories.
    """
    numeric = len(own.numbers)
    numbers = np.where(kept[:, :numeric], own.numbers, np.stack([row.numbers for row in others])[places])
    numbers.setflags(write=False)
    rest = zip(kept[:, numeric:].tolist(), places.tolist(), strict=True)
    names = [
        tuple(mine if keep else other for keep, mine, other in zip(keeps, own.names, others[place].names, strict=True))
        for keeps, place in rest
    ]
    return [TableRow(own.columns, *each) for each in zip(numbers, names, strict=True)]
