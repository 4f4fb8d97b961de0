"""The gradient path: the model is trained, and validation alone decides which epoch stays.

Where the backbone stays frozen its features are made once, and what stands
behind it is trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.adapter import Adapter, Matrix, Weights
from medplug.core.errors import DataError
from medplug.core.evaluation.metrics import GREATER_IS_BETTER as METRICS
from medplug.core.evaluation.metrics import fallback
from medplug.core.evaluation.scores import point
from medplug.core.model import Loss, Model
from medplug.core.training import criteria
from medplug.core.training.compute import Report, infer
from medplug.core.training.drawn import drawn_rows
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.objective import Objective
from medplug.core.training.pairing import PairedBatches
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Rows
from medplug.core.training.trainer import preferred, train_by_gradient
from medplug.core.training.vectors import behind
from medplug.core.training.weights import balanced_weights

GREATER_IS_BETTER = {**METRICS, **criteria.GREATER_IS_BETTER}


@dataclass(frozen=True, slots=True)
class _Learner:
    """What is trained, on which prepared items, and what the backbone noticed in them."""

    model: Model
    items: Mapping[str, Sequence[Any]]
    census: dict[str, dict[str, int]]
    job: Job

    def logits(self, split: str, report: Report = lambda done, total: None) -> NDArray[np.float32]:
        """Logits ``[rows, outputs]`` of one split."""
        return infer(self.model.eval(), self.model.backbone, self.items[split], self.job.compute, report)


def train_whole(
    model: Model,
    adapters: Adapters,
    job: Job,
    frozen: FrozenFeatures,
    weights: Weights | None,
    references: Mapping[str, Matrix],
) -> Trained:
    """Train `model` in place to its best epoch."""
    learner = _learner(model, job, frozen)
    penalties = {spec.name: adapter for spec, adapter in adapters if "penalty" in spec.answers}
    rows = _rows(learner, adapters, weights, references)
    pairs = _pairs(rows, job)
    chosen_by = job.metric if job.plan.selection.criterion == "validation" else job.plan.selection.criterion
    with quiet():
        history = train_by_gradient(
            Objective(learner.model, _loss(job), job.dataset.target, penalties),
            rows,
            lambda: _score(learner, frozen, chosen_by),
            metric=chosen_by,
            greater_is_better=GREATER_IS_BETTER[chosen_by],
            config=job.plan.train,
            seed=job.plan.run.seed,
            compute=job.compute,
            checkpoints=job.checkpoints,
            resume=job.resume,
            step=job.stage("training"),
            epoch=job.epoch,
            rates={name: rate for _, adapter in adapters for name, rate in adapter.rates(learner.model).items()},
            schedule=_schedule(learner.model, [a for spec, a in adapters if "schedule" in spec.answers]),
            pairs=pairs,
        )
    best = max(history, key=partial(preferred, metric=chosen_by, greater_is_better=GREATER_IS_BETTER[chosen_by]))
    splits = [split for split in ("validation", "test", "unlabelled") if split in learner.items]
    found = {split: learner.logits(split, job.stage(f"predicting {split}")) for split in splits}
    notes: dict[str, Any] = {**frozen.notes, "best epoch": best["epoch"], "epochs": len(history)}
    notes["validation"] = {name: best[name] for name in dict.fromkeys((job.metric, chosen_by))}
    if pairs is not None:
        notes["target rows drawn beside the labelled ones in a batch"] = pairs.beside
        notes["passes over them in an epoch"] = round(pairs.passes, 2)
    return Trained(notes, found, history, learner.census, criteria.target_criteria(job, frozen, found))


def _learner(model: Model, job: Job, frozen: FrozenFeatures) -> _Learner:
    if any(parameter.requires_grad for parameter in model.backbone.parameters()):
        job.stage("preparing")
        items = {split: model.backbone.prepare(job.values(split)) for split in job.dataset.splits}
        return _Learner(model, items, {split: model.backbone.census(each) for split, each in items.items()}, job)
    features = {split: list(rows) for split, rows in frozen.splits.items()}
    return _Learner(behind(model, job.dataset.target), features, frozen.census, job)


def _rows(learner: _Learner, adapters: Adapters, weights: Weights | None, references: Mapping[str, Matrix]) -> Rows:
    """The labelled rows, and those drawn beside them."""
    dataset = learner.job.dataset
    items = drawn_rows(adapters, learner.job).of(learner.items)
    of_target = dataset.splits["train"].of_target
    return Rows(items, dataset.labels["train"], weights, None if of_target is None else ~of_target, references)


def _pairs(rows: Rows, job: Job) -> PairedBatches | None:
    unlabelled = len(rows) - len(rows.labels)
    if not unlabelled:
        return None
    processes = job.compute.processes
    size = job.plan.train.batch_size // processes.world
    draw = {"seed": job.plan.run.seed, "rank": processes.rank, "world": processes.world}
    return PairedBatches(len(rows.labels), unlabelled, size, **draw)


def _schedule(model: Model, adapters: list[Adapter]) -> Callable[[float], None]:
    def schedule(progress: float) -> None:
        for adapter in adapters:
            adapter.schedule(model, progress)

    return schedule


def _score(learner: _Learner, frozen: FrozenFeatures, chosen_by: str) -> dict[str, float]:
    """An epoch's numbers on validation rows and, where a criterion chooses, on unlabelled ones."""
    job = learner.job
    target, labels = job.dataset.target, job.dataset.labels["validation"]
    logits = {"validation": learner.logits("validation")}
    probabilities = target.probabilities(logits["validation"])
    names = dict.fromkeys((job.metric, fallback(target.kind)))
    found = {name: point(target, labels, probabilities, name) for name in names}
    if chosen_by in found:
        return found
    logits["unlabelled"] = learner.logits("unlabelled")
    importance = chosen_by in ("iwv", "dev")
    judged = criteria.target_criteria(job, frozen, logits, importance=importance)
    if chosen_by not in judged:
        counts = " and ".join(f"{len(rows)} {split}" for split, rows in logits.items())
        raise DataError(f"selection.criterion={chosen_by} cannot judge {counts} rows; give more, or leave it out")
    return {**found, chosen_by: judged[chosen_by]}


def _loss(job: Job) -> Loss:
    dataset, config = job.dataset, job.plan.train
    weights = None
    if config.class_weights == "balanced":
        balanced = balanced_weights(dataset.labels["train"], dataset.target)
        weights = torch.tensor(balanced, dtype=torch.float32)
    return Loss(dataset.target, weights, config.label_smoothing)
