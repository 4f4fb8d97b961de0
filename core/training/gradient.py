"""The gradient path: the model is trained, and validation alone decides which epoch stays."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.evaluation.scores import point
from medplug.core.model import Loss, Model
from medplug.core.training.compute import Report, infer
from medplug.core.training.quiet import quiet
from medplug.core.training.train import Job, Trained
from medplug.core.training.trainer import Rows, train_by_gradient
from medplug.core.training.weights import balanced_weights


def train_whole(model: Model, job: Job) -> Trained:
    """Train `model` in place, from prepared items, to its best validation epoch."""
    dataset, backbone, metric = job.dataset, model.backbone, job.metric
    items = {split: backbone.prepare(job.values(split)) for split in dataset.splits}

    def logits(split: str, report: Report = lambda done, total: None) -> NDArray[np.float32]:
        return infer(model.eval(), backbone, items[split], job.compute, report)

    def score() -> dict[str, float]:
        probabilities = dataset.target.probabilities(logits("validation"))
        names = dict.fromkeys((metric, "log_loss"))
        return {name: point(dataset.target, dataset.labels["validation"], probabilities, name) for name in names}

    with quiet():
        history = train_by_gradient(
            model,
            Rows(items["train"], dataset.labels["train"]),
            _loss(job),
            score,
            metric=metric,
            greater_is_better=GREATER_IS_BETTER[metric],
            config=job.plan.train,
            seed=job.plan.run.seed,
            compute=job.compute,
            checkpoints=job.checkpoints,
            resume=job.resume,
            step=job.stage("training"),
            epoch=job.epoch,
        )
    better = max if GREATER_IS_BETTER[metric] else min
    best = better(history, key=lambda row: row[metric])
    found = {split: logits(split, job.stage(f"predicting {split}")) for split in ("validation", "test")}
    notes = {"best epoch": best["epoch"], "epochs": len(history), "validation": {metric: best[metric]}}
    return Trained(notes, found, history, {split: backbone.census(each) for split, each in items.items()})


def _loss(job: Job) -> Loss:
    dataset, config = job.dataset, job.plan.train
    weights = None
    if config.class_weights == "balanced":
        balanced = balanced_weights(dataset.labels["train"], dataset.target)
        weights = torch.tensor(balanced, dtype=torch.float32)
    return Loss(dataset.target, weights, config.label_smoothing)
