"""The gradient path: the model is trained, and validation alone decides which epoch stays.

Where the backbone stays frozen its features are made once, and what stands
behind it is trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from medplug.core.adapter import Adapter, Matrix, Weights
from medplug.core.backbone import Backbone
from medplug.core.config import TrainConfig
from medplug.core.evaluation.metrics import GREATER_IS_BETTER as METRICS
from medplug.core.joint.backbone import JointBackbone
from medplug.core.model import Model
from medplug.core.training import criteria
from medplug.core.training.balance import balance_of
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.grouping import BLOCK, GroupedBatches, grouped_by
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.joint_learner import joint_learner
from medplug.core.training.learner import Learner
from medplug.core.training.objective import Objective
from medplug.core.training.pairing import PairedBatches
from medplug.core.training.parts import JointFeatures
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Rows
from medplug.core.training.trainer import preferred, train_by_gradient

GREATER_IS_BETTER = {**METRICS, **criteria.GREATER_IS_BETTER}


def train_whole(
    model: Model,
    adapters: Adapters,
    job: Job,
    frozen: FrozenFeatures,
    weights: Weights | None,
    references: Mapping[str, Matrix],
    learning: Callable[[FrozenFeatures], Learner],
) -> Trained:
    """Train `model` in place to its best epoch; `learning` makes its learner, unless it is a joint model."""
    learner = joint_learner(model, job, frozen) if isinstance(frozen, JointFeatures) else learning(frozen)
    if not any(parameter.requires_grad for parameter in learner.model.parameters()):  # it is asked as it is
        return learner.trained({**frozen.notes, "training": "none: the model is used as it is"}, [])
    penalties = {spec.name: adapter for spec, adapter in adapters if "penalty" in spec.answers}
    rows = learner.rows(adapters, weights, references)
    batches = _batches(rows, learner.model.backbone, job)
    balance = balance_of(job.dataset, job.plan.train)
    rates = {name: rate for _, adapter in adapters for name, rate in adapter.rates(learner.model).items()}
    chosen_by = job.metric if job.plan.selection.criterion == "validation" else job.plan.selection.criterion
    with quiet():
        history = train_by_gradient(
            Objective(learner.model, learner.loss(), job.dataset.target, penalties, learner.augmentation, balance),
            rows,
            lambda: learner.score(chosen_by),
            metric=chosen_by,
            greater_is_better=GREATER_IS_BETTER[chosen_by],
            config=config_of(job),
            seed=job.plan.run.seed,
            compute=job.compute,
            checkpoints=job.checkpoints,
            resume=job.resume,
            step=job.stage("training"),
            epoch=job.epoch,
            rates=rates | ({} if balance is None else balance.rates("balance.", job.plan.train.learning_rate)),
            schedule=_schedule(learner.model, [a for spec, a in adapters if "schedule" in spec.answers]),
            batches=batches,
        )
    best = max(history, key=partial(preferred, metric=chosen_by, greater_is_better=GREATER_IS_BETTER[chosen_by]))
    notes: dict[str, Any] = {**frozen.notes, "best epoch": best["epoch"], "epochs": len(history)}
    notes["validation"] = {name: best[name] for name in dict.fromkeys((job.metric, chosen_by))}
    if balance is not None and (learned := balance.learned(["the main target", *job.dataset.also])):
        notes["learned weights of the losses"] = learned
    notes |= {} if batches is None else batches.told()
    return learner.trained(notes, history)


def config_of(job: Job) -> TrainConfig:
    """How to train; passes that somebody asked for are not made more by the fewest updates of a recipe."""
    asked = [key for key in ("train.epochs", "train.least_updates") if job.plan.asked(key)]
    return job.plan.train.model_copy(update={"least_updates": 1}) if asked == ["train.epochs"] else job.plan.train


def _batches(rows: Rows, backbone: Backbone, job: Job) -> PairedBatches | GroupedBatches | None:
    """What draws the batches where they are no plain random ones."""
    unlabelled, config, processes = len(rows) - len(rows.labels), job.plan.train, job.compute.processes
    size = config.batch_size // processes.world
    draw = {"seed": job.plan.run.seed, "rank": processes.rank, "world": processes.world}
    if unlabelled:
        return PairedBatches(len(rows.labels), unlabelled, size, **draw)
    if not isinstance(backbone, JointBackbone) or config.block == 1:
        return None
    codes = grouped_by(backbone, rows.items, block=config.block, size=config.batch_size)
    return None if codes is None else GroupedBatches(codes, config.block or BLOCK, size, **draw)


def _schedule(model: Model, adapters: list[Adapter]) -> Callable[[float], None]:
    def schedule(progress: float) -> None:
        for adapter in adapters:
            adapter.schedule(model, progress)

    return schedule
