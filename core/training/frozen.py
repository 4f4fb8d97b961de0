"""The frozen path: every distinct input is encoded once, and a head is fitted on the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from medplug.core.adapter import Adapter, FitData, LinearHead, Material, Matrix, Weights
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.content import content_key
from medplug.core.evaluation.probe import fit_probe
from medplug.core.features import Features
from medplug.core.model import Model
from medplug.core.training.cache import FeatureCache, backbone_key
from medplug.core.training.compute import infer
from medplug.core.training.criteria import target_criteria
from medplug.core.training.drawn import drawn_rows
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.sameness import check_features_differ
from medplug.core.training.weights import weightings


@dataclass(frozen=True, slots=True)
class Encoded:
    """One backbone's features ``[rows, width]`` by split, what it noticed, and how many different inputs it read."""

    splits: dict[str, Matrix]
    census: dict[str, dict[str, int]]
    distinct: int


def encode(backbone: Backbone, rows: Mapping[str, list[Any]], job: Job, *, pretrained: bool, what: str = "") -> Encoded:
    """Pooled features of raw values by split, each distinct one encoded once; `what` names them among several."""
    backbone.eval()
    compute = job.compute
    # several processes must miss the same entries, and need not see the same disk: they keep none
    kept = pretrained and compute.processes.world == 1
    folder = job.features_in if kept else None
    cache = FeatureCache(backbone_key(backbone, str(compute.dtype)), folder)
    report = job.stage(f"encoding {what}".strip())
    items = {split: backbone.prepare(values) for split, values in rows.items()}
    prepared = {
        content_key(value): item for split in rows for value, item in zip(rows[split], items[split], strict=True)
    }

    def pooled(inputs: Inputs) -> Tensor:
        features: Features = backbone(inputs)
        return features.pooled

    def missing(values: list[Any]) -> Matrix:
        return infer(pooled, backbone, [prepared[content_key(value)] for value in values], compute, report)

    everything = cache.features([value for values in rows.values() for value in values], missing)
    if len(prepared) > 1 and pretrained:
        check_features_differ(everything)
    cache.save()
    ends = np.cumsum([len(values) for values in rows.values()])[:-1]
    splits = dict(zip(rows, np.split(everything, ends), strict=True))
    return Encoded(splits, {split: backbone.census(each) for split, each in items.items()}, len(prepared))


class FrozenFeatures:
    """The backbone's features of every split, encoded when first asked for."""

    def __init__(self, backbone: Backbone, job: Job, *, pretrained: bool = True) -> None:
        self.backbone, self.job, self.pretrained = backbone, job, pretrained
        self.census: dict[str, dict[str, int]] = {}
        self.notes: dict[str, int] = {}
        self.density: Weights | None = None
        """What each validation row counts by, once `criteria.validation_weights` has worked it out."""

    @property
    def encoded(self) -> bool:
        """Whether they were asked for already."""
        return "splits" in self.__dict__

    @cached_property
    def splits(self) -> dict[str, Matrix]:
        """Features ``[rows, width]`` by split."""
        job = self.job
        rows = {split: job.values(split) for split in job.dataset.splits}
        found = encode(self.backbone, rows, job, pretrained=self.pretrained)
        self.census, self.notes = found.census, {"distinct inputs encoded": found.distinct}
        return found.splits

    def fit_data(self, row_weights: Weights | None = None) -> FitData:
        """The features with the labels and all else that a head is fitted by."""
        job, dataset, features = self.job, self.job.dataset, self.splits
        return FitData(
            features["train"],
            dataset.labels["train"],
            features["validation"],
            dataset.labels["validation"],
            dataset.target,
            job.metric,
            weightings(dataset.labels["train"], dataset.target, job.plan.train.class_weights),
            job.plan.run.seed,
            of_target=dataset.splits["train"].of_target,
            unlabelled=features.get("unlabelled"),
            row_weights=row_weights,
            validation_of_target=dataset.splits["validation"].tells_of_target,
        )

    def also_data(self, name: str, row_weights: Weights | None = None) -> FitData:
        """The same of a target that is learned along, on the rows whose label is known."""
        whole, job, each = self.fit_data(row_weights), self.job, self.job.dataset.also[name]
        train, validation = each.known["train"], each.known["validation"]
        labels = each.labels["train"][train]
        return replace(
            whole,
            features=whole.features[train],
            labels=labels,
            validation_features=whole.validation_features[validation],
            validation_labels=each.labels["validation"][validation],
            target=each.target,
            metric=each.metrics[0],
            weightings=weightings(labels, each.target, job.plan.train.class_weights),
            of_target=None if whole.of_target is None else whole.of_target[train],
            row_weights=None if row_weights is None else row_weights[train],
        )

    def material(self, adapters: Adapters) -> Material:
        """The rows that batches are drawn from."""
        drawn = drawn_rows(adapters, self.job)
        values = {split: self.job.values(split) for split in self.job.dataset.splits}
        return Material(drawn.of(values), self.job.dataset.target, lambda: drawn.features(self.splits))


def fit_head(model: Model, adapter: Adapter, job: Job, frozen: FrozenFeatures, weights: Weights | None) -> Trained:
    """Let `adapter` fit the head on frozen features, and put it into `model`.

    What is learned along has a linear probe each, whatever the adapter.
    """
    data = frozen.fit_data(weights)
    job.stage("fitting the head")
    head = adapter.fit(data)
    model.set_head(head)
    logits = {split: head_logits(head, values) for split, values in frozen.splits.items()}
    if head.validation_logits is not None:
        logits["validation"] = head.validation_logits
    others = {name: fit_probe(frozen.also_data(name, weights)) for name in job.dataset.also}
    model.set_others(list(others.values()))
    also = {
        name: {split: head_logits(other, values) for split, values in frozen.splits.items()}
        for name, other in others.items()
    }
    criteria = target_criteria(job, frozen, logits)
    return Trained({**frozen.notes, **head.notes}, logits, census=frozen.census, criteria=criteria, also=also)


def head_logits(head: LinearHead, features: Matrix) -> Matrix:
    """Logits ``[rows, outputs]`` in float32, as the model gives them."""
    logits: Matrix = features @ head.weight.astype(np.float32).T + head.bias.astype(np.float32)
    return logits
