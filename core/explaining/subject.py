"""What is explained: rows prepared for a model, slot by slot, and the output that the scores are to speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.ensemble import Ensemble
from medplug.core.joint.backbone import JointBackbone
from medplug.core.model import Model
from medplug.core.task import Examples, Task


@dataclass(frozen=True, slots=True)
class Part:
    """One slot of some rows: its backbone, the rows that have it (positions ``[rows]``) and what these hold.

    `prefix` is how the names of its inputs begin in a batch of the whole model's.
    """

    slot: str
    modality: str
    backbone: Backbone
    holders: NDArray[np.int64]
    values: list[Any]
    items: list[Any]
    prefix: str = ""

    def own(self, inputs: Inputs) -> Inputs:
        """The part of a batch that this slot's backbone is given."""
        return {name.removeprefix(self.prefix): each for name, each in inputs.items() if name.startswith(self.prefix)}


def prepared(backbone: Backbone, examples: Examples) -> list[Any]:
    """The rows' items, none shared between rows, so that each row's scores are its own."""
    return [backbone.prepare([value])[0] for value in examples.values]


def parts(backbone: Backbone, task: Task, examples: Examples, items: Sequence[Any]) -> list[Part]:
    """Each slot of the rows whose `items` are given."""
    if not isinstance(backbone, JointBackbone):
        ((slot, values),) = examples.inputs.items()
        everyone = np.arange(len(values))
        return [Part(slot, task.slots.get(slot, ""), backbone, everyone, values, list(items))]
    found = []
    for slot, part in backbone.each():
        holders = [row for row, item in enumerate(items) if slot in item]
        values = [examples.inputs[slot][row] for row in holders]
        own = [items[row][slot] for row in holders]
        found.append(Part(slot, task.slots[slot], part, np.array(holders, np.int64), values, own, f"{slot}."))
    return found


def members(model: Model) -> list[Model]:
    """The models whose outputs are averaged; of one model itself."""
    return model.each if isinstance(model, Ensemble) else [model]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the scores of each row speak of: ``weights`` ``[rows, outputs]`` of its logits, and its name."""

    weights: Tensor
    names: tuple[str, ...]


def spoken_of(target: Target, logits: Tensor) -> Spoken:
    """What was predicted from logits ``[rows, outputs]``.

    Of classes the log odds (binary, multilabel: the likeliest label's) or the logit above the mean of all
    logits, which no shift of these changes; of a number its value, of the time to an event its log hazard;
    of a treatment the predicted gain of the advised arm over the control, or of the next best where the
    control is advised.
    """
    found = logits.detach().double().cpu().numpy()
    weights = np.zeros_like(found)
    if target.kind == "regression":
        weights[:] = target.scale
        return Spoken(torch.from_numpy(weights), (target.classes[0],) * len(found))
    if target.kind == "survival":
        weights[:] = 1.0
        return Spoken(torch.from_numpy(weights), (target.classes[0],) * len(found))
    if target.kind == "treatment":
        return _of_arms(target, found, weights)
    if target.kind == "binary":
        chosen = target.decide(target.probabilities(found))
        weights[:, 0] = np.where(chosen == 1, 1.0, -1.0)
    else:
        chosen = target.probabilities(found).argmax(1)  # a correction of each class may have moved the decision
        weights[np.arange(len(found)), chosen] = 1.0
        if target.kind != "multilabel":
            weights -= 1.0 / found.shape[1]
    return Spoken(torch.from_numpy(weights), tuple(target.classes[int(each)] for each in chosen))


def _of_arms(target: Target, found: NDArray[np.float64], weights: NDArray[np.float64]) -> Spoken:
    arms = len(target.classes)
    outcomes = found[:, :arms] if target.higher_is_better else -found[:, :arms]
    ordered = outcomes.argsort(1)
    advised = ordered[:, -1]
    other = np.where(advised == 0, ordered[:, -2], 0)
    rows, sign = np.arange(len(found)), 1.0 if target.higher_is_better else -1.0
    unit = 1.0 if target.binary_outcome else target.scale
    weights[rows, advised], weights[rows, other] = sign * unit, -sign * unit
    names = (f"{target.classes[a]} - {target.classes[b]}" for a, b in zip(advised, other, strict=True))
    return Spoken(torch.from_numpy(weights), tuple(names))
