"""From examples to a trained model, by the frozen path or by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import Adapter, Weights
from medplug.core.data.dataset import Dataset
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.specs import AdapterSpec
from medplug.core.training.compute import Compute, Report

Stage = Callable[[str], Report]
"""Called with a stage's name; gives what reports its progress."""
Adapters = list[tuple[AdapterSpec, Adapter]]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained on, how it is chosen (`metric`, on validation) and with which means.

    With `resume`, training goes on from the last whole one of the `checkpoints`.
    """

    plan: Plan
    dataset: Dataset
    metric: str
    compute: Compute
    checkpoints: Path
    resume: bool
    stage: Stage
    epoch: Callable[[dict[str, float]], None]

    def values(self, split: str) -> list[Any]:
        """The raw inputs of one split, in order."""
        (values,) = self.dataset.splits[split].inputs.values()
        return values


@dataclass(slots=True)
class Trained:
    """What training leaves: how the model was chosen, each epoch's numbers, what the backbone noticed.

    `criteria` are measures that need no label of the target domain;
    `without_transfer` holds test logits of a head on the same labels and frozen
    features, fitted as if there were one domain, and `backbone_frozen` whether the
    model's are these very features.
    """

    notes: dict[str, Any]
    logits: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]] = field(default_factory=list)
    census: dict[str, dict[str, int]] = field(default_factory=dict)
    criteria: dict[str, float] = field(default_factory=dict)
    without_transfer: NDArray[np.float32] | None = None
    backbone_frozen: bool = False


def train(model: Model, adapters: Adapters, job: Job) -> Trained:
    """Train `model` in place; gives the logits of the validation and test splits, and of unlabelled rows."""
    from medplug.core.training.frozen import FrozenFeatures, fit_head, fit_without_transfer

    frozen = FrozenFeatures(model.backbone, job)
    between_domains = any("source_labels" in spec.needs for spec, _ in adapters)
    without = fit_without_transfer(frozen, job) if between_domains and job.plan.backbone.source else None
    weights, notes = _row_weights(adapters, frozen, job)
    references = _references(adapters, frozen)
    if job.plan.selection.criterion in ("iwv", "dev"):
        _ = frozen.splits  # before the backbone is wrapped or trained: a resumed run, too, weighs rows by these
    for _, adapter in adapters:
        adapter.prepare(model)
    fitting = next((adapter for spec, adapter in adapters if "fit" in spec.answers), None)
    if fitting is not None:
        trained = fit_head(model, fitting, job, frozen, weights)
    else:
        from medplug.core.training.gradient import train_whole

        trained = train_whole(model, adapters, job, frozen, weights, references)
    trained.notes, trained.without_transfer = {**notes, **trained.notes}, without
    trained.backbone_frozen = not any(parameter.requires_grad for parameter in model.backbone.parameters())
    return trained


def _row_weights(adapters: Adapters, frozen: Any, job: Job) -> tuple[Weights | None, dict[str, Any]]:
    """The product of the adapters' weights for the training rows, of mean 1 over the source; and what to tell of it."""
    weighing = [(spec.name, adapter) for spec, adapter in adapters if "weigh" in spec.answers]
    of_target = job.dataset.splits["train"].of_target
    if not weighing or of_target is None:
        return None, {}
    from medplug.core.transfer.importance import effective_rows

    source, target = frozen.domains()
    weights = np.ones(len(of_target))
    for name, adapter in weighing:
        job.stage(f"weighing the source rows ({name})")
        weights[~of_target] *= adapter.weigh(source, target, job.plan.run.seed)
    weights[~of_target] /= max(weights[~of_target].mean(), 1e-12)
    effective = round(effective_rows(weights[~of_target]), 1)
    return weights, {"source rows": int((~of_target).sum()), "source rows that count, by their weights": effective}


def _references(adapters: Adapters, frozen: Any) -> dict[str, NDArray[np.float32]]:
    """Each adapter's own numbers for the rows that batches are drawn from, by its name."""
    asked = {spec.name: adapter for spec, adapter in adapters if "penalty" in spec.answers}
    found = {name: adapter.reference(frozen.material(adapters)) for name, adapter in asked.items()}
    return {name: values for name, values in found.items() if values is not None}
