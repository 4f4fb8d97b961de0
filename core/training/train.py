"""From examples to a trained model, by the frozen path or by gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import Weights
from medplug.core.evaluation.probe import fit_probe
from medplug.core.kinds.table import kind_of
from medplug.core.model import Model
from medplug.core.training.checks import check_asked, check_augmented
from medplug.core.training.frozen import FrozenFeatures, fit_head
from medplug.core.training.held_against import fit_on_random_weights, fit_without_transfer
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.joint_learner import add_subsets, joint_learner
from medplug.core.training.parts import JointFeatures, frozen_features
from medplug.core.transfer.importance import effective_rows

if TYPE_CHECKING:
    from medplug.core.training.learner import Learner

Learning = Callable[[FrozenFeatures], "Learner"]
"""What makes the learner of a kind of target."""


def train(model: Model, adapters: Adapters, job: Job) -> Trained:
    """Train `model` in place, as its kind of target is trained; `ConfigError` for what that would not heed."""
    check_asked(adapters, job)
    return kind_of(job.dataset.target).train(model, adapters, job)


def train_rows(model: Model, adapters: Adapters, job: Job, learning: Learning) -> Trained:
    """Train on rows with a label each; gives the logits of the validation and test splits, and of unlabelled rows.

    `learning` makes what is trained by gradient, from the features of the backbone while it is frozen.
    """
    frozen = frozen_features(model.backbone, job)
    between_domains = any("source_labels" in spec.needs for spec, _ in adapters)
    linear = job.dataset.target.by_row  # so that a head can be fitted in closed form
    plain = between_domains and job.plan.meaningful and linear
    without = fit_without_transfer(frozen, job) if plain else None
    weights, notes = _row_weights(adapters, frozen, job)
    references = _references(adapters, frozen)
    if job.plan.selection.criterion in ("iwv", "dev"):
        _ = frozen.splits  # before the backbone is wrapped or trained: a resumed run, too, weighs rows by these
    pretrained, joint = job.plan.pretrained, isinstance(frozen, JointFeatures)
    if pretrained and linear and not joint and any(adapter.starts_from_probe for _, adapter in adapters):
        model.set_head(fit_probe(frozen.fit_data(weights)))
    for _, adapter in adapters:
        adapter.prepare(model)
    model.backbone.keeps_statistics &= pretrained  # random weights have none to keep
    check_augmented(model, job)
    fitting = next((adapter for spec, adapter in adapters if "fit" in spec.answers), None)
    if fitting is not None:
        trained = fit_head(model, fitting, job, frozen, weights)
        if isinstance(frozen, JointFeatures):
            add_subsets(trained, joint_learner(model, job, frozen))
    else:
        from medplug.core.training.gradient import train_whole  # brings transformers, which a fitted head spares

        trained = train_whole(model, adapters, job, frozen, weights, references, learning)
    trained.notes, trained.without_transfer = {**notes, **trained.notes}, without
    if job.plan.report.pretraining and pretrained and linear:
        trained.from_random = fit_on_random_weights(model.backbone, job)
    trained.uses_unlabelled = any(
        "unlabelled_target" in spec.needs or ("penalty" in spec.answers and adapter.looks_at_rows)
        for spec, adapter in adapters
    )
    trained.backbone_frozen = not any(parameter.requires_grad for parameter in model.backbone.parameters())
    return trained


def _row_weights(adapters: Adapters, frozen: FrozenFeatures, job: Job) -> tuple[Weights | None, dict[str, Any]]:
    """The product of the adapters' weights for the training rows, of mean 1 over the source; and what to tell of it."""
    weighing = [(spec.name, adapter) for spec, adapter in adapters if "weigh" in spec.answers]
    of_target = job.dataset.splits["train"].of_target
    if not weighing or of_target is None:
        return None, {}
    data = frozen.fit_data()
    weights = np.ones(len(of_target))
    for name, adapter in weighing:
        job.stage(f"weighing the source rows ({name})")
        weights[~of_target] *= adapter.weigh(data.source_features, data.target_features, data.seed)
    weights[~of_target] /= max(weights[~of_target].mean(), 1e-12)
    effective = round(effective_rows(weights[~of_target]), 1)
    return weights, {"source rows": int((~of_target).sum()), "source rows that count, by their weights": effective}


def _references(adapters: Adapters, frozen: FrozenFeatures) -> dict[str, NDArray[np.float32]]:
    """Each adapter's own numbers for the rows that batches are drawn from, by its name."""
    asked = {spec.name: adapter for spec, adapter in adapters if "penalty" in spec.answers}
    found = {name: adapter.reference(frozen.material(adapters)) for name, adapter in asked.items()}
    return {name: values for name, values in found.items() if values is not None}
