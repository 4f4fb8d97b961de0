"""What is trained by gradient: the model, its prepared rows, its loss, and how an epoch is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medplug.core.adapter import Matrix, Weights
from medplug.core.augmentation import Augmentation
from medplug.core.errors import DataError
from medplug.core.evaluation.metrics import fallback
from medplug.core.evaluation.scores import point
from medplug.core.losses import make_loss
from medplug.core.model import Model
from medplug.core.training import criteria
from medplug.core.training.compute import Report, infer
from medplug.core.training.drawn import drawn_rows
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.rows import Rows
from medplug.core.training.sameness import check_outputs_differ
from medplug.core.training.vectors import Vectors, behind
from medplug.core.training.weights import balanced_weights


@dataclass(frozen=True, slots=True)
class Learner:
    """A model and its prepared `items` by split; `census` says what the backbone noticed in them."""

    model: Model
    items: Mapping[str, Sequence[Any]]
    census: dict[str, dict[str, int]]
    job: Job
    frozen: FrozenFeatures
    augmentation: Augmentation | None = None

    @property
    def labels(self) -> Sequence[Any] | NDArray[Any]:
        """The encoded labels of the training rows."""
        return self.job.dataset.labels["train"]

    def rows(self, adapters: Adapters, weights: Weights | None, references: Mapping[str, Matrix]) -> Rows:
        """The labelled rows, and those drawn beside them."""
        dataset = self.job.dataset
        items = drawn_rows(adapters, self.job).of(self.items)
        of_target = dataset.splits["train"].of_target
        others = [(each.labels["train"], each.known["train"]) for each in dataset.also.values()]
        return Rows(items, self.labels, weights, None if of_target is None else ~of_target, references, others)

    def loss(self) -> nn.Module:
        """What gives one loss a row, from logits and labels."""
        dataset, config = self.job.dataset, self.job.plan.train
        weights = None
        if config.class_weights == "balanced":
            balanced = balanced_weights(dataset.labels["train"], dataset.target)
            weights = torch.tensor(balanced, dtype=torch.float32)
        return make_loss(dataset.target, weights, config.label_smoothing)

    def logits(self, split: str) -> NDArray[np.float32]:
        """Logits ``[rows, outputs]`` of one split."""
        return infer(self.model.eval(), self.model.backbone, self.items[split], self.job.compute)

    def every(self, split: str, report: Report) -> list[NDArray[np.float32]]:
        """Logits of one split by head: those of `logits` first, then of each target that is learned along."""
        model = self.model.eval()
        return model.apart(infer(model.every, model.backbone, self.items[split], self.job.compute, report))

    def score(self, chosen_by: str) -> dict[str, float]:
        """An epoch's numbers on validation rows and, where a criterion chooses, on unlabelled ones."""
        job = self.job
        target, labels = job.dataset.target, job.dataset.labels["validation"]
        logits = {"validation": self.logits("validation")}
        probabilities = target.probabilities(logits["validation"])
        names = dict.fromkeys((job.metric, fallback(target.kind)))
        found = {name: point(target, labels, probabilities, name) for name in names}
        if chosen_by in found:
            return found
        logits["unlabelled"] = self.logits("unlabelled")
        importance = chosen_by in ("iwv", "dev")
        judged = criteria.target_criteria(job, self.frozen, logits, importance=importance)
        if chosen_by not in judged:
            counts = " and ".join(f"{len(rows)} {split}" for split, rows in logits.items())
            raise DataError(f"selection.criterion={chosen_by} cannot judge {counts} rows; give more, or leave it out")
        return {**found, chosen_by: judged[chosen_by]}

    def trained(self, notes: dict[str, Any], history: list[dict[str, float]]) -> Trained:
        """What training leaves, with the model at its best epoch."""
        train = ["train"] if self.job.dataset.target.kind == "survival" else []  # for its baseline hazard
        splits = [split for split in (*train, "validation", "test", "unlabelled") if split in self.items]
        every = {split: self.every(split, self.job.stage(f"predicting {split}")) for split in splits}
        found = {split: main for split, (main, *_) in every.items()}
        also = {
            name: {split: logits[place] for split, logits in every.items()}
            for place, name in enumerate(self.job.dataset.also, 1)
        }
        measures = criteria.target_criteria(self.job, self.frozen, found)
        return Trained(notes, found, history, self.census, measures, also=also)


Items = tuple[Mapping[str, Sequence[Any]], dict[str, dict[str, int]]]
"""Prepared items by split, and what the backbone noticed in them."""


def row_learner(model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
    """A learner of rows; where the backbone stays frozen, of its features."""
    if not any(parameter.requires_grad for parameter in model.backbone.parameters()):
        return vector_learner(model, job, frozen)
    return Learner(model, *prepared(model, job), job, frozen, job.augmentation)


def prepared(model: Model, job: Job) -> Items:
    """The rows as the backbone prepares them; `BackboneError` where pretrained weights give all rows the same."""
    job.stage("preparing")
    items = {split: model.backbone.prepare(job.values(split)) for split in job.dataset.splits}
    if job.plan.pretrained:
        check_outputs_differ(model.backbone, job.values("train"), job.compute)
    return items, {split: model.backbone.census(each) for split, each in items.items()}


def vector_learner(model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
    """What stands behind a backbone that stays frozen, on features that are made once."""
    features = {split: list(rows) for split, rows in frozen.splits.items()}
    stand_in = Vectors(model.backbone.width)
    return Learner(behind(model, job.dataset.target, stand_in), features, frozen.census, job, frozen)
