"""Training of an ensemble: its members one after the other, each from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.ensemble import Ensemble, averaged
from medplug.core.errors import ConfigError
from medplug.core.evaluation.scores import point
from medplug.core.model import Model
from medplug.core.training.compute import Report
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.seeds import seeded
from medplug.core.training.train import train

Logits = NDArray[np.float32]
Build = Callable[[], tuple[Model, Adapters]]


def train_members(build: Build, job: Job) -> tuple[Model, Trained]:
    """Train what `build` gives; with ``train.members`` above 1 so many of them, as an ensemble.

    Raises `ConfigError` where members would not differ, or their predictions have no mean.
    """
    count = job.plan.train.members
    if count == 1:
        model, adapters = build()
        return model, train(model, adapters, job)
    _check(job)
    members: list[Model] = []
    trained: list[Trained] = []
    for number in range(count):
        own = _job_of(job, number)
        with seeded(own.plan.run.seed):
            model, adapters = build()
            trained.append(train(model, adapters, own))
            members.append(model)
    return Ensemble(members, job.dataset.target, job.dataset.also_targets), _together(trained, job)


def _check(job: Job) -> None:
    count, kind = job.plan.train.members, job.dataset.target.kind
    fitting = [spec.name for spec, _ in job.plan.adapters if "fit" in spec.answers]
    if fitting:
        raise ConfigError(
            f"train.members={count}: adapter={fitting[0]} fits one head in closed form, and every member would be the "
            "same; leave it out, or use an adapter that trains"
        )
    if kind == "treatment" or not job.dataset.target.by_row:
        raise ConfigError(f"train.members={count}: predictions of a {kind} target are not averaged; leave it out")


def _job_of(job: Job, number: int) -> Job:
    """The same job for one member: another seed, checkpoints of its own."""
    of = f"member {number + 1} of {job.plan.train.members}"
    run = job.plan.run.model_copy(update={"seed": (job.plan.run.seed + number) % 2**32})

    def stage(name: str) -> Report:
        return job.stage(f"{name} ({of})")

    def epoch(facts: dict[str, float]) -> None:
        job.epoch({"member": number + 1, **facts})

    plan = replace(job.plan, run=run)
    checkpoints = job.checkpoints / f"member-{number + 1}"
    shared = job.features_in  # what is frozen is the same for all members
    return replace(job, plan=plan, checkpoints=checkpoints, stage=stage, epoch=epoch, features=shared)


def _together(trained: Sequence[Trained], job: Job) -> Trained:
    """What the ensemble leaves: the mean of what its members predict; notes and the learning curve are the first's."""
    dataset, kind, first = job.dataset, job.dataset.target.kind, trained[0]
    logits = _mean([each.logits for each in trained], kind)
    probabilities, labels = dataset.target.probabilities(logits["validation"]), dataset.labels["validation"]
    of_members = [each.notes.get("validation", {}).get(job.metric) for each in trained]
    notes: dict[str, Any] = {
        **first.notes,
        "members": len(trained),
        "best epoch of each member": [each.notes.get("best epoch") for each in trained],
        f"validation {job.metric} of each member": of_members,
        "validation": {job.metric: point(dataset.target, labels, probabilities, job.metric)},
    }
    return replace(
        first,
        notes=notes,
        logits=logits,
        criteria={name: float(np.mean([each.criteria[name] for each in trained])) for name in first.criteria},
        subsets=_mean([each.subsets for each in trained], kind),
        shares={name: np.mean([each.shares[name] for each in trained], axis=0) for name in first.shares},
        also={
            name: _mean([each.also[name] for each in trained], target.kind)
            for name, target in dataset.also_targets.items()
        },
    )


def _mean(members: Sequence[Mapping[Any, Logits]], kind: str) -> dict[Any, Logits]:
    """Averaged logits by the keys that all members have."""
    return {
        key: averaged(torch.from_numpy(np.stack([each[key] for each in members])), kind).numpy() for key in members[0]
    }
