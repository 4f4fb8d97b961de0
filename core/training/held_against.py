"""What a transferred model is held against, on the same labels: heads without its transfer, or without pretraining."""

from __future__ import annotations

from medplug.core.adapter import LinearHead, Matrix
from medplug.core.backbone import Backbone
from medplug.core.evaluation.probe import fit_probe
from medplug.core.training.frozen import FrozenFeatures, head_logits
from medplug.core.training.job import Job
from medplug.core.training.parts import frozen_features


def fit_without_transfer(frozen: FrozenFeatures, job: Job) -> dict[str, Matrix]:
    """Validation and test logits of a plain logistic head on the same labels: what a transfer method must beat."""
    data = frozen.fit_data()
    job.stage("fitting a head without transfer")
    return _by_split(fit_probe(data), frozen)


def fit_on_random_weights(backbone: Backbone, job: Job) -> dict[str, Matrix]:
    """The same of a linear head on the same network with random weights: what pretraining must beat."""
    job.stage("building the backbone with random weights")
    random = backbone.again().to(job.compute.device)
    frozen = frozen_features(random, job, pretrained=False)
    return _by_split(fit_probe(frozen.fit_data()), frozen)


def _by_split(head: LinearHead, frozen: FrozenFeatures) -> dict[str, Matrix]:
    return {split: head_logits(head, frozen.splits[split]) for split in ("validation", "test")}
