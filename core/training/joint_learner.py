"""Training of a joint model: what stays frozen in it is encoded once, and only the rest runs in a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medplug.core.backbone import Backbone, Inputs
from medplug.core.joint.backbone import Item, JointBackbone, only, prepare_once
from medplug.core.model import Model
from medplug.core.training.compute import infer
from medplug.core.training.encodings import encode_tokens
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner
from medplug.core.training.parts import JointFeatures
from medplug.core.training.vectors import Encodings, Vectors, behind


@dataclass(frozen=True, slots=True)
class JointLearner(Learner):
    """A learner that also tells what each modality adds."""

    def trained(self, notes: dict[str, Any], history: list[dict[str, float]]) -> Trained:
        """What training leaves, with the test rows also judged by every choice of modalities."""
        found = Learner.trained(self, notes, history)
        joint = self.model.backbone
        assert isinstance(joint, JointBackbone)
        saw_parts = joint.modality_dropout > 0 or any(len(item) < len(joint.parts) for item in self.items["train"])
        add_subsets(found, self, every_choice=saw_parts)
        return found


def joint_learner(model: Model, job: Job, frozen: JointFeatures) -> JointLearner:
    """The model with what is frozen in it replaced by its features, which are made once."""
    joint = model.backbone
    assert isinstance(joint, JointBackbone)
    items: dict[str, list[Item]] = {split: [{} for _ in range(len(rows))] for split, rows in job.dataset.splits.items()}
    parts: dict[str, Backbone] = {}
    made: Mapping[str, Sequence[Any]]
    for slot, part in joint.each():
        if any(parameter.requires_grad for parameter in part.parameters()):
            parts[slot], made = part, _prepared(slot, part, frozen)
        else:
            parts[slot], made = _standing(slot, part, frozen)
        for split, each in made.items():
            for place, item in zip(frozen.rows[slot].places[split].tolist(), each, strict=True):
                items[split][place][slot] = item
    standing = JointBackbone(parts, joint.fusion, joint.modality_dropout, reads_tokens=joint.reads_tokens)
    return JointLearner(behind(model, job.dataset.target, standing), items, frozen.census, job, frozen)


def _prepared(slot: str, part: Backbone, frozen: JointFeatures) -> dict[str, list[Any]]:
    """The prepared items by split of a backbone that is trained."""
    frozen.job.stage(f"preparing {slot}")
    found = {split: prepare_once(part, values) for split, values in frozen.rows[slot].values.items()}
    frozen.note(slot, {split: part.census(each) for split, each in found.items()})
    return found


def _standing(slot: str, part: Backbone, frozen: JointFeatures) -> tuple[Backbone, Mapping[str, Sequence[Any]]]:
    """What stands in for a backbone that stays frozen, and its features by split: tokens only where these are read."""
    if not frozen.backbone.reads_tokens:
        return Vectors(part.width), {split: list(rows) for split, rows in frozen.pooled(slot).items()}
    report = frozen.job.stage(f"encoding {slot}")
    encoded = encode_tokens(part, frozen.rows[slot].values, frozen.job.compute, report)
    frozen.note(slot, {})
    return Encodings(part.width), encoded


def add_subsets(trained: Trained, learner: Learner, *, every_choice: bool = True) -> None:
    """Judge the test rows by every choice of modalities, each backbone running once, and tell the fusion's weights.

    Without `every_choice` the weights alone: a model that never saw a row without a modality would only guess.
    """
    model, joint, job = learner.model.eval(), learner.model.backbone, learner.job
    assert isinstance(joint, JointBackbone)
    slots = list(joint.parts)
    subsets = joint.subsets if every_choice else joint.subsets[-1:]

    def every(inputs: Inputs) -> Tensor:
        features = joint.encoded(inputs)
        fused = [joint.joined(only(features, chosen)) for chosen in subsets]
        logits = [model.joined(each.joined).logits for each in fused]
        weights = fused[-1].weights
        return torch.cat([*logits, *([] if weights is None else [weights.float()])], 1)

    items = learner.items["test"]
    found = infer(every, joint, items, job.compute, job.stage("judging each choice of modalities"))
    outputs = job.dataset.target.outputs
    for i, chosen in enumerate(subsets if every_choice else ()):
        logits = found[:, i * outputs : (i + 1) * outputs].copy()
        logits[[not any(slot in item for slot in chosen) for item in items]] = np.nan
        trained.subsets[chosen] = logits
    if found.shape[1] > len(subsets) * outputs:
        weights = found[:, len(subsets) * outputs :]
        trained.shares = {slot: weights[:, i] for i, slot in enumerate(slots)}
