"""A small transfer problem for adapters: texts, labels of each kind, two domains that lie apart, a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.adapter import Adapter, Batch, FitData, Material, Matrix
from medplug.core.backbone import Backbone, Inputs
from medplug.core.conformance.stand_in import StandIn
from medplug.core.data.targets import Target
from medplug.core.evaluation.reported import reported
from medplug.core.kinds.table import make_model
from medplug.core.model import Model
from medplug.core.specs import AdapterSpec, TargetKind
from medplug.core.training.seeds import seeded

TARGETS: dict[TargetKind, Target] = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
    "regression": Target("regression", ("days",), 1.0, 2.0),
    "survival": Target("survival", ("death",)),
    "treatment": Target("treatment", ("control", "treated"), outcomes=("no", "yes")),
}
"""The kinds of target with a fixed number of logits a row, of which adapters serve some."""

_ROWS = 40
_WORDS = ("fever", "cough", "rash", "pain", "no", "mild")


@dataclass(frozen=True, slots=True)
class Trial:
    """A problem of one target, with what the needs of one adapter promise it: without domains none are there."""

    spec: AdapterSpec
    target: Target

    @property
    def domains(self) -> bool:
        """Whether rows of a source and of a target are told apart."""
        return bool({"source_labels", "target_labels", "unlabelled_target"} & set(self.spec.needs))

    def model(self, seed: int = 0) -> Model:
        """A model from a seed, in eval mode, all of it trainable."""
        with seeded(seed):
            return make_model(self.backbone(), self.target).eval()

    def backbone(self) -> Backbone:
        """A new small transformer."""
        return StandIn()

    def values(self, rows: int) -> list[Any]:
        """Texts."""
        return list(texts(rows))

    def labels(self, rows: int) -> NDArray[Any]:
        """Encoded labels, one a row."""
        return some_labels(self.target, rows)

    def inputs(self, model: Model, rows: int) -> Inputs:
        """The first rows as the model reads them."""
        return model.backbone.collate(model.backbone.prepare(self.values(rows)))

    def batch(self, adapter: Adapter, model: Model, sources: int = 6, others: int = 6) -> Batch:
        """A batch of labelled source rows and target rows without labels; without domains all labelled, none source."""
        rows = sources + others
        values, inputs = self.values(rows), self.inputs(model, rows)
        labelled = sources if self._unlabelled else rows
        labels = torch.from_numpy(self.labels(rows)[:labelled])
        with torch.no_grad():
            features = model.outputs(inputs).features.numpy()
        own = adapter.reference(Material(values, self.target, lambda: np.asarray(features, dtype=np.float32)))
        reference = {} if own is None else {self.spec.name: torch.from_numpy(np.asarray(own, dtype=np.float32))}
        return Batch(model.outputs(inputs), labels, sources if self.domains else 0, reference, 0.5, self.target)

    def fit_data(self, rows: int = _ROWS) -> FitData:
        """Features whose labels lie in them with noise; with domains every other row is of the target, moved aside."""
        draw = np.random.default_rng(0)
        labels = some_labels(self.target, rows + _ROWS)
        features = (draw.normal(size=(rows + _ROWS, 5)) + _signal(labels)).astype(np.float32)
        of_target = np.arange(rows) % 2 == 1 if self.domains else None
        unlabelled = None
        if of_target is not None:
            features[:rows][of_target] += 1
            unlabelled = features[:rows][of_target] + 0.1
            if "target_labels" not in self.spec.needs:
                of_target = np.zeros(rows, dtype=np.bool_)
        return FitData(
            features[:rows],
            labels[:rows],
            features[rows:],
            labels[rows:],
            self.target,
            metric=reported(self.target.kind)[0],
            weightings={"none": None},
            seed=0,
            of_target=of_target,
            unlabelled=unlabelled,
        )

    @property
    def _unlabelled(self) -> bool:
        return "unlabelled_target" in self.spec.needs and "target_labels" not in self.spec.needs


def served(spec: AdapterSpec) -> list[Trial]:
    """A trial for each kind of target that the spec names and that has a fixed number of logits a row."""
    return [Trial(spec, target) for kind, target in TARGETS.items() if kind in spec.targets]


def texts(rows: int) -> list[str]:
    """Short texts, no two alike."""
    draw = np.random.default_rng(1)
    return [f"{' '.join(draw.choice(_WORDS, draw.integers(1, 5)))} {row}" for row in range(rows)]


def domains(rows: Sequence[int] = (30, 25)) -> tuple[Matrix, Matrix]:
    """Features ``[n, 5]`` of a source and ``[m, 5]`` of a target, whose means lie apart."""
    draw = np.random.default_rng(2)
    source, target = (draw.normal(size=(count, 5)).astype(np.float32) for count in rows)
    return source, target + np.float32(0.7)


def some_labels(target: Target, rows: int) -> NDArray[Any]:
    """Encoded labels in which every class, arm and event occurs."""
    draw, place = np.random.default_rng(3), np.arange(rows)
    if target.kind == "multilabel":
        return (place[:, None] + np.arange(len(target.classes))) % 3 // 2
    if target.kind == "regression":
        return target.centre + target.scale * draw.normal(size=rows)
    if target.kind == "survival":
        return np.stack([draw.uniform(1, 9, rows), (place % 3 > 0).astype(np.float64)], 1)
    if target.kind == "treatment":
        return np.stack([place % 2, place // 2 % 2], 1).astype(np.float64)
    return (place % len(target.classes)).astype(np.int64)


def _signal(labels: NDArray[Any]) -> NDArray[np.float64]:
    """What of the labels stands in the features ``[rows, 5]``."""
    told = labels.reshape(len(labels), -1).astype(np.float64)
    return np.pad(told, ((0, 0), (0, 5 - told.shape[1])))
