"""What training is asked to do, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import Adapter
from medplug.core.augmentation import Augmentation
from medplug.core.data.dataset import Dataset
from medplug.core.plan import Plan
from medplug.core.specs import AdapterSpec
from medplug.core.training.compute import Compute, Report

Stage = Callable[[str], Report]
"""Called with a stage's name; gives what reports its progress."""
Adapters = list[tuple[AdapterSpec, Adapter]]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained on, how it is chosen (`metric`, on validation) and with which means.

    With `resume`, training goes on from the last whole one of the `checkpoints`;
    `augmentation` changes training batches; `features` is where frozen features are kept
    that several jobs share (None: with the checkpoints).
    """

    plan: Plan
    dataset: Dataset
    metric: str
    compute: Compute
    checkpoints: Path
    resume: bool
    stage: Stage
    epoch: Callable[[dict[str, float]], None]
    augmentation: Augmentation | None = None
    features: Path | None = None

    @property
    def features_in(self) -> Path:
        """The folder that features of frozen backbones are kept in."""
        return self.plan.train.cache or self.features or self.checkpoints

    def values(self, split: str) -> list[Any]:
        """The raw inputs of one split, in order."""
        return self.dataset.splits[split].values


@dataclass(slots=True)
class Trained:
    """What training leaves: how the model was chosen, each epoch's numbers, what the backbone noticed.

    `logits` are those of the validation, test and unlabelled rows, and of the training rows
    where their baseline hazard is wanted. `criteria` are measures that need no label of the target domain;
    `without_transfer` holds validation and test logits of a head on the same labels and frozen
    features, fitted as if there were one domain (`from_random` those of a head on
    the same backbone with random weights, where it was asked for), and `backbone_frozen` whether the
    model's are these very features; `uses_unlabelled` whether an adapter learned
    from unlabelled rows, where there were any. Of masks, which are too many
    numbers to keep, `overlaps` ``[rows, classes, measures]`` stand in place of logits.
    Of several modalities, `subsets` holds test logits by each choice of them (NaN in
    rows that have none of it), and `shares` how much each counted for each test row
    ``[rows, modalities]`` where the fusion says so. `also` holds the logits by split of
    each target that was learned along, and `findings` by split what a kind of target leaves
    that has no logits a row; `settled` is what was compared on validation rows once the model was trained.
    """

    notes: dict[str, Any]
    logits: dict[str, NDArray[np.float32]]
    history: list[dict[str, float]] = field(default_factory=list)
    census: dict[str, dict[str, int]] = field(default_factory=dict)
    criteria: dict[str, float] = field(default_factory=dict)
    without_transfer: dict[str, NDArray[np.float32]] | None = None
    from_random: dict[str, NDArray[np.float32]] | None = None
    backbone_frozen: bool = False
    uses_unlabelled: bool = False
    overlaps: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    subsets: dict[tuple[str, ...], NDArray[np.float32]] = field(default_factory=dict)
    shares: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    also: dict[str, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    findings: dict[str, Any] = field(default_factory=dict)
    settled: dict[str, Any] = field(default_factory=dict)
