"""The frozen path: every distinct input is encoded once, and a head is fitted on the features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.contracts import Adapter, Features, FitData, Inputs
from medplug.core.model import Model
from medplug.core.training.cache import FeatureCache, backbone_key, content_key
from medplug.core.training.compute import infer
from medplug.core.training.train import Job, Trained
from medplug.core.training.weights import weightings


def fit_head(model: Model, adapter: Adapter, job: Job) -> Trained:
    """Encode all splits, let `adapter` fit the head, and put it into `model`."""
    model.eval()
    features, notes, census = _encode(model, job)
    dataset, plan = job.dataset, job.plan
    data = FitData(
        features["train"],
        dataset.labels["train"],
        features["validation"],
        dataset.labels["validation"],
        dataset.target,
        job.metric,
        weightings(dataset.labels["train"], dataset.target, plan.train.class_weights),
        plan.run.seed,
    )
    job.stage("fitting the head")
    head = adapter.fit(data)
    model.set_head(head)
    weight, bias = head.weight.astype(np.float32), head.bias.astype(np.float32)
    logits = {split: values @ weight.T + bias for split, values in features.items()}
    return Trained({**notes, **head.notes}, logits, census=census)


def _encode(model: Model, job: Job) -> tuple[dict[str, NDArray[np.float32]], dict[str, int], dict[str, dict[str, int]]]:
    """Features ``[rows, width]`` by split, how many inputs were distinct, and the backbone's census by split."""
    backbone, compute = model.backbone, job.compute
    # several processes must miss the same entries, and need not see the same disk: they keep none
    folder = (job.plan.train.cache or job.checkpoints) if compute.processes.world == 1 else None
    cache = FeatureCache(backbone_key(backbone, str(compute.dtype)), folder)
    report = job.stage("encoding")
    rows = {split: job.values(split) for split in job.dataset.splits}
    items = {split: backbone.prepare(values) for split, values in rows.items()}
    prepared = {
        content_key(value): item for split in rows for value, item in zip(rows[split], items[split], strict=True)
    }

    def pooled(inputs: Inputs) -> Tensor:
        features: Features = backbone(inputs)
        return features.pooled

    def encode(values: list[Any]) -> NDArray[np.float32]:
        return infer(pooled, backbone, [prepared[content_key(value)] for value in values], compute, report)

    everything = cache.features([value for values in rows.values() for value in values], encode)
    cache.save()
    ends = np.cumsum([len(values) for values in rows.values()])[:-1]
    features = dict(zip(rows, np.split(everything, ends), strict=True))
    census = {split: backbone.census(each) for split, each in items.items()}
    return features, {"distinct inputs encoded": len(prepared)}, census
