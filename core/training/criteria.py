"""How well a model suits the target domain, judged without one of its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation import unsupervised
from medplug.core.evaluation.statistic import membership
from medplug.core.training.job import Job

if TYPE_CHECKING:
    from medplug.core.training.frozen import FrozenFeatures

GREATER_IS_BETTER = {"iwv": False, "dev": False, "snd": True, "infomax": True}
_LEAST_PROBABILITY = 1e-12
_LEAST_ROWS = 5
"""Densities are told apart on five folds, each of which needs a row of both domains."""
_MOST_ROWS = 4096
"""Soft neighbourhood density compares all pairs of rows; an even sample of more stands for them."""


def target_criteria(
    job: Job, frozen: FrozenFeatures, logits: dict[str, NDArray[np.float32]], *, importance: bool = False
) -> dict[str, float]:
    """Every criterion that can be had, by name; none without unlabelled rows, or for times to an event or treatments.

    ``snd`` and ``infomax`` are of the unlabelled rows, and not for a number or a choice of options.
    ``iwv`` and ``dev`` are of the validation rows, and need the frozen features of both domains, which
    are made for it where `importance` asks. `logits` are those of both.
    """
    if "unlabelled" not in logits or not all(np.isfinite(each).all() for each in logits.values()):
        return {}  # training that diverged suits no domain
    target = job.dataset.target
    if target.kind in ("survival", "treatment"):
        return {}  # of a time a row's own loss is of the rows beside it; of a treatment one outcome is seen
    probabilities = target.probabilities(logits["unlabelled"])
    some = probabilities[:: -(-len(probabilities) // _MOST_ROWS)]
    found = {}
    if target.has_classes and target.kind != "choice":
        found["infomax"] = _judged(unsupervised.information_maximisation, probabilities, target)
    if target.has_classes and target.kind != "choice" and len(some) > 1:
        found["snd"] = _judged(unsupervised.soft_neighbourhood_density, some, target)
    enough = min(len(logits["validation"]), len(probabilities)) >= _LEAST_ROWS
    if enough and (importance or frozen.encoded):
        losses = _losses(target, job.dataset.labels["validation"], logits["validation"])
        weights = validation_weights(job, frozen)
        found["iwv"] = unsupervised.importance_weighted_risk(losses, weights)
        found["dev"] = unsupervised.deep_embedded_validation(losses, weights)
    return found


def _losses(target: Target, labels: NDArray[Any], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each row's log loss ``[rows]``; of a number the squared error in standard deviations of the training labels."""
    if target.kind == "regression":
        return np.square(logits[:, 0] - target.standardised(labels))
    chances, members = target.probabilities(logits), membership(target, labels)
    likelihood = np.where(members > 0, chances, 1 - chances) if target.kind == "multilabel" else chances
    rows = np.log(np.maximum(likelihood, _LEAST_PROBABILITY))
    return np.asarray(-(rows.mean(axis=1) if target.kind == "multilabel" else (rows * members).sum(axis=1)))


def _judged(criterion: Callable[[NDArray[Any]], float], probabilities: NDArray[np.float64], target: Target) -> float:
    """The criterion of rows that sum to one; a multilabel target's are judged label by label."""
    if target.kind == "multilabel":
        return unsupervised.mean_over_labels(criterion, probabilities)
    return criterion(probabilities)


def validation_weights(job: Job, frozen: FrozenFeatures) -> NDArray[np.float64]:
    """What each validation row counts by the target's density over the source's, on frozen features."""
    from medplug.core.transfer.importance import classifier_density_ratio

    if frozen.density is None:
        features = frozen.splits
        frozen.density = classifier_density_ratio(
            features["validation"], features["unlabelled"], mean_one=False, seed=job.plan.run.seed
        )
    return frozen.density
