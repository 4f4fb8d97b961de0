"""From examples to a trained model, by the frozen path or by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.contracts import Adapter
from medplug.core.data.dataset import Dataset
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.specs import AdapterSpec
from medplug.core.training.compute import Compute, Report

Stage = Callable[[str], Report]
"""Called with a stage's name; gives what reports its progress."""


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
    """What training leaves: how the model was chosen, each epoch's numbers, what the backbone noticed."""

    notes: dict[str, Any]
    logits: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]] = field(default_factory=list)
    census: dict[str, dict[str, int]] = field(default_factory=dict)


def train(model: Model, adapters: list[tuple[AdapterSpec, Adapter]], job: Job) -> Trained:
    """Train `model` in place; gives the logits of the validation and test splits."""
    for _, adapter in adapters:
        adapter.prepare(model)
    fitting = next((adapter for spec, adapter in adapters if "fit" in spec.answers), None)
    if fitting is not None:
        from medplug.core.training.frozen import fit_head

        return fit_head(model, fitting, job)
    job.stage("preparing")
    from medplug.core.training.gradient import train_whole

    return train_whole(model, job)
