"""The rows that candidates are scored on, and their frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.answers.questions import Choice, Pair
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.bins import even_rows
from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.reading import fingerprints
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError, UsageError
from medplug.core.features import Features
from medplug.core.plan import Plan
from medplug.core.progress import Progress, Watch
from medplug.core.readers.pair import PairReader
from medplug.core.run import make_task
from medplug.core.specs import resolve
from medplug.core.task import Examples
from medplug.core.training.cache import FeatureCache, backbone_key
from medplug.core.training.compute import Compute, compute_for, infer

ROWS = 5000
"""The most rows of a table that are encoded; more would cost an hour and hardly move a ranking."""

Matrix = NDArray[np.float32]


def training_rows(plan: Plan) -> Dataset:
    """The dataset of a run of this plan, cut as that run will cut it: rank on its training rows alone."""
    task, sample = make_task(plan)
    return load_dataset(
        task,
        task.data,
        by=plan.report.by,
        seed=plan.run.seed,
        sample=sample,
        sha256=fingerprints(task, task.data, plan.report.by),
        oracle=plan.selection.oracle,
    )


def some(examples: Examples, seed: int, what: str, notes: list[str]) -> Examples:
    """At most `ROWS` of the examples, drawn evenly over the labels; a note says so where that leaves some out."""
    if len(examples) <= ROWS:
        return examples
    notes.append(f"scored on {ROWS:,} of the {len(examples):,} {what}, drawn evenly over the labels by the seed")
    return examples.take(even_rows(examples.labels, len(examples), ROWS, seed))


def owners(examples: Examples) -> list[str] | None:
    """The patient of each row, None where none is named; a row that names nobody is its own."""
    if examples.groups is None:
        return None
    return [group or f"\0{i}" for i, group in enumerate(examples.groups)]


def raw(examples: Examples) -> list[Any]:
    """The raw inputs of a task of one modality, one a row."""
    return examples.values


class Encoder:
    """A plan's backbone, loaded and frozen, with the features it has made."""

    def __init__(self, plan: Plan, learn_from: Examples, watch: Watch, target: Target | None = None) -> None:
        self._watch, self._name = watch, plan.encoder.choice.name
        watch(Progress(f"loading {self._name}"))
        chosen, spec = plan.encoder.choice, plan.encoder.choice.spec
        factory: type[Backbone] = resolve(spec.factory, owner=f"backbone {spec.name}")
        self._compute: Compute = compute_for(plan.run, plan.train, alone=True)
        backbone = factory.create(plan.encoder.options, chosen.source)
        if target is not None:  # what reads the rows may depend on what is predicted
            backbone = make_task(plan)[0].reader(backbone, target)
        elif isinstance(learn_from.values[0], Pair | Choice):
            raise UsageError(
                "sources are ranked by features of single inputs, and these rows are questions; name "
                "backbones=NAME,NAME to rank, or train with each data.source and compare"
            )
        backbone.learn(raw(learn_from), learn_from.groups)
        self._backbone = backbone.to(self._compute.device).eval()
        arithmetic = f"{self._compute.dtype}{f' {backbone.way}' if isinstance(backbone, PairReader) else ''}"
        self._cache = FeatureCache(backbone_key(backbone, arithmetic), plan.train.cache)

    @property
    def width(self) -> int:
        """How many features a row has."""
        return self._backbone.width

    def features(self, values: Sequence[Any]) -> Matrix:
        """Features ``[values, width]``; each distinct value is encoded once, or read from ``train.cache``."""
        backbone = self._backbone

        def pooled(inputs: Inputs) -> Tensor:
            features: Features = backbone(inputs)
            return features.pooled

        def report(done: int, total: int) -> None:
            self._watch(Progress(f"encoding with {self._name}", done, total))

        def encode(unknown: list[Any]) -> Matrix:
            return infer(pooled, backbone, backbone.prepare(unknown), self._compute, report)

        found = self._cache.features(values, encode)
        if not np.isfinite(found).all():
            raise BackboneError(f"backbone {self._name} gives features that are not finite; try precision=float32")
        self._cache.save()
        return found
