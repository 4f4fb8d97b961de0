"""What each modality adds: the scores of every choice of modalities, and each one's Shapley value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np

from medplug.core.data.targets import Target
from medplug.core.evaluation.metrics import prepare
from medplug.core.evaluation.scores import RESAMPLES, Estimate, Groups, estimates
from medplug.core.evaluation.statistic import Labels, Probabilities, Statistic, Values, Weights

Subset = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """The estimates of one metric by choice of modalities, and what each modality adds to it."""

    subsets: dict[Subset, Estimate]
    shapley: dict[str, Estimate]


def what_each_adds(
    target: Target,
    labels: Labels,
    predicted: Mapping[Subset, Probabilities],
    nothing: Probabilities,
    metric: str,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Added:
    """Score every choice of modalities by `metric`, on the same resamples.

    `predicted` holds probabilities ``[rows, classes]`` for every non-empty choice, NaN
    in rows that have none of it; `nothing` those of a model that sees no input, which
    stand there. A modality's Shapley value (Shapley, 1953) is the mean of what it adds
    to the metric over all orders in which modalities can come; together they sum to
    the difference between all and nothing, in the metric's own unit and sign.
    """
    taken = {(): nothing, **{chosen: _whole(found, nothing) for chosen, found in predicted.items()}}
    scored = {chosen: prepare(target, metric, labels, found) for chosen, found in taken.items()}
    modalities = max(predicted, key=len)
    values: dict[str, Statistic] = {name: _shapley(name, modalities, scored) for name in modalities}
    by_name = {"\0".join(chosen): scored[chosen] for chosen in predicted}
    found = estimates(
        {**by_name, **{f"\0{name}": each for name, each in values.items()}}, len(labels), groups, resamples, seed
    )
    return Added(
        {chosen: found["\0".join(chosen)][0] for chosen in predicted},
        {name: found[f"\0{name}"][0] for name in modalities},
    )


def _whole(found: Probabilities, nothing: Probabilities) -> Probabilities:
    return np.where(np.isnan(found), nothing, found)


def _shapley(name: str, modalities: Sequence[str], scored: Mapping[Subset, Statistic]) -> Statistic:
    """The statistic of one modality's value; a choice that holds it counts for it, one that does not against it."""
    many = len(modalities)
    signed: dict[Subset, float] = {}
    for chosen in scored:
        others = len(chosen) - (name in chosen)
        weight = factorial(others) * factorial(many - others - 1) / factorial(many)
        signed[chosen] = weight if name in chosen else -weight

    def statistic(weights: Weights) -> Values:
        total: Values = np.zeros(len(weights))
        for chosen, share in signed.items():
            total = total + share * scored[chosen](weights)
        return total

    return statistic
