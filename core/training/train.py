"""From examples to a trained model, by the frozen path or by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.contracts import Adapter, Features, FitData, Inputs
from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.evaluation.scores import point
from medplug.core.model import Loss, Model
from medplug.core.plan import Plan
from medplug.core.training.cache import FeatureCache, backbone_key
from medplug.core.training.compute import Compute, Report, infer
from medplug.core.training.quiet import quiet
from medplug.core.training.weights import balanced_weights, weightings

Stage = Callable[[str], Report]
"""Called with a stage's name; gives what reports its progress."""


@dataclass(slots=True)
class Trained:
    """What training leaves: how the model was chosen, each epoch's numbers, what the backbone noticed."""

    notes: dict[str, Any]
    logits: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]] = field(default_factory=list)
    census: dict[str, dict[str, int]] = field(default_factory=dict)


def train(
    model: Model,
    adapters: list[tuple[Any, Adapter]],
    dataset: Dataset,
    plan: Plan,
    metric: str,
    compute: Compute,
    checkpoints: Path,
    *,
    resume: bool,
    stage: Stage,
    epoch: Callable[[dict[str, float]], None],
) -> Trained:
    """Train `model` in place; gives the logits of every split."""
    for _, adapter in adapters:
        adapter.prepare(model)
    fitting = next((adapter for spec, adapter in adapters if "fit" in spec.answers), None)
    if fitting is not None:
        return _fit(model, fitting, dataset, plan, metric, compute, checkpoints, stage)
    return _train(model, dataset, plan, metric, compute, checkpoints, resume, stage, epoch)


def _values(dataset: Dataset, split: str) -> list[Any]:
    (values,) = dataset.splits[split].inputs.values()
    return values


def _fit(
    model: Model,
    adapter: Adapter,
    dataset: Dataset,
    plan: Plan,
    metric: str,
    compute: Compute,
    checkpoints: Path,
    stage: Stage,
) -> Trained:
    """The frozen path: every distinct input is encoded once, and the head is fitted on the features."""
    model.eval()
    backbone = model.backbone
    cache = FeatureCache(backbone_key(backbone, str(compute.dtype)), plan.train.cache or checkpoints)
    census: dict[str, dict[str, int]] = {}

    def encode(values: list[Any]) -> NDArray[np.float32]:
        def pooled(inputs: Inputs) -> Tensor:
            features: Features = backbone(inputs)
            return features.pooled

        return infer(pooled, backbone, backbone.prepare(values), compute, stage("encoding"))

    rows = {split: _values(dataset, split) for split in dataset.splits}
    everything = cache.features([value for values in rows.values() for value in values], encode)
    if compute.processes.main:
        cache.save()
    ends = np.cumsum([len(values) for values in rows.values()])[:-1]
    features = dict(zip(rows, np.split(everything, ends), strict=True))
    for split, values in rows.items():
        census[split] = backbone.census(backbone.prepare(values))
    data = FitData(
        features["train"],
        dataset.labels["train"],
        features["validation"],
        dataset.labels["validation"],
        dataset.target,
        metric,
        weightings(dataset.labels["train"], dataset.target, plan.train.class_weights),
        plan.run.seed,
    )
    stage("fitting the head")(0, 1)
    head = adapter.fit(data)
    model.set_head(head)
    weight, bias = head.weight.astype(np.float32), head.bias.astype(np.float32)
    logits = {split: values @ weight.T + bias for split, values in features.items()}
    return Trained({"distinct inputs encoded": len(cache), **head.notes}, logits, census=census)


def _train(
    model: Model,
    dataset: Dataset,
    plan: Plan,
    metric: str,
    compute: Compute,
    checkpoints: Path,
    resume: bool,
    stage: Stage,
    epoch: Callable[[dict[str, float]], None],
) -> Trained:
    """Gradient training; validation alone decides which epoch stays."""
    from medplug.core.training.trainer import Rows, train_by_gradient

    backbone, target = model.backbone, dataset.target
    stage("preparing")(0, 1)
    items = {split: backbone.prepare(_values(dataset, split)) for split in dataset.splits}
    balanced = plan.train.class_weights == "balanced"
    weights = balanced_weights(dataset.labels["train"], target) if balanced else None
    loss = Loss(
        target, None if weights is None else torch.tensor(weights, dtype=torch.float32), plan.train.label_smoothing
    )

    def logits(split: str, report: Report = lambda done, total: None) -> NDArray[np.float32]:
        model.eval()
        return infer(model, backbone, items[split], compute, report)

    def score() -> dict[str, float]:
        probabilities = target.probabilities(logits("validation"))
        labels = dataset.labels["validation"]
        names = dict.fromkeys((metric, "log_loss"))
        return {name: point(target, labels, probabilities, name) for name in names}

    with quiet():
        history = train_by_gradient(
            model,
            Rows(items["train"], dataset.labels["train"]),
            loss,
            score,
            metric=metric,
            greater_is_better=GREATER_IS_BETTER[metric],
            config=plan.train,
            seed=plan.run.seed,
            compute=compute,
            checkpoints=checkpoints,
            resume=resume,
            step=stage("training"),
            epoch=epoch,
        )
    better = max if GREATER_IS_BETTER[metric] else min
    best = better(history, key=lambda row: row[metric])
    found = {split: logits(split, stage(f"predicting {split}")) for split in ("validation", "test")}
    notes = {"best epoch": best["epoch"], "epochs": len(history), "validation": {metric: best[metric]}}
    return Trained(notes, found, history, {split: backbone.census(each) for split, each in items.items()})
