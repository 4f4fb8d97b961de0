"""What each modality adds to a model of several, on the test split, and how much it counts for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.modalities import what_each_adds
from medplug.core.evaluation.statistic import Probabilities
from medplug.core.training.job import Trained


def by_modality(
    dataset: Dataset, trained: Trained, nothing: Probabilities, metric: str, how: dict[str, Any]
) -> dict[str, Any]:
    """The scores of every choice of modalities, each one's Shapley value, and how its weights lie, as JSON data.

    `nothing` ``[rows, classes]`` is predicted where a row has none of a choice; of times to an
    event the model's mean log hazard of the training rows, as its log hazards have no zero of their own.
    """
    target, labels = dataset.target, dataset.labels["test"]
    if target.kind == "survival":
        nothing = np.full_like(nothing, trained.logits["train"].mean())
    predicted = {chosen: target.probabilities(logits) for chosen, logits in trained.subsets.items()}
    added = what_each_adds(target, labels, predicted, nothing, metric, **how)
    test = dataset.splits["test"]
    has = {slot: np.array([value is not None for value in values]) for slot, values in test.inputs.items()}
    return {
        "metric": metric,
        "subsets": [
            {"modalities": list(chosen), "rows": int(_any(has, chosen).sum()), metric: each.as_json()}
            for chosen, each in added.subsets.items()
        ],
        "shapley": {slot: each.as_json() for slot, each in added.shapley.items()},
        "weights": {slot: _spread(shares, has[slot]) for slot, shares in trained.shares.items()},
    }


def _any(has: dict[str, NDArray[np.bool_]], chosen: tuple[str, ...]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.any([has[slot] for slot in chosen], axis=0)
    return found


def _spread(shares: NDArray[np.float32], present: NDArray[np.bool_]) -> dict[str, float] | None:
    """Mean, 5th and 95th percentile over the rows that have the modality."""
    if not present.any():
        return None
    own = shares[present].astype(np.float64)
    low, high = np.quantile(own, [0.05, 0.95])
    return {"mean": float(own.mean()), "p5": float(low), "p95": float(high)}
