"""TrAdaBoost: source rows that speak against the target's labels lose their weight, round by round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.transfer.rows import Rows, Weights, check_rows

Values = NDArray[Any]
"""``[rows]`` labels or numbers."""
Model = Callable[[Rows], Values]
"""From features ``[rows, width]`` to predicted labels or numbers ``[rows]``."""
Fit = Callable[[Rows, Values, Weights], Model]
"""From features, labels or numbers, and weights of mean one, to a model."""

LEAST_ERROR = 1e-10
"""Stands in for an error of zero, whose vote would be infinite."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """What `tradaboost` found.

    `betas` ``[rounds]`` is each round's error / (1 - error) on the target;
    `weights_by_round` ``[rounds, n + m]`` the weights that it was fitted with,
    the source's first, summing to one.
    """

    models: tuple[Model, ...]
    betas: Weights
    weights_by_round: NDArray[np.float64]
    classes: int

    def predict(self, features: Rows) -> NDArray[np.intp]:
        """The class of each row ``[rows]``: the later half's vote, each round's weighing ``log(1 / beta)``.

        Of equal classes the highest wins, as published for two. Where no round
        of that half beat chance on the target, all its rounds count the same.
        """
        first = -(-len(self.models) // 2) - 1
        shares = -np.log(self.betas[first:])
        shares = shares if shares.any() else np.ones_like(shares)
        votes = np.zeros((len(features), self.classes))
        for model, share in zip(self.models[first:], shares, strict=True):
            votes += share * (predicted(model, features)[:, None] == np.arange(self.classes))
        best: NDArray[np.intp] = self.classes - 1 - votes[:, ::-1].argmax(1)
        return best


def tradaboost(
    fit: Fit, source: Rows, source_labels: Values, target: Rows, target_labels: Values, *, rounds: int = 20
) -> Boosted:
    """TrAdaBoost: target rows that a round gets wrong gain weight, source rows lose it.

    `source` ``[n, width]`` and `target` ``[m, width]`` have labels ``[n]`` and
    ``[m]`` in 0 ... classes - 1; beyond two, a row is wrong or right. `fit`
    gets the features and labels of both, source first, and weights of mean one.
    The published update needs an error on the target below one half: a round at
    or above it has beta 1, that is, no vote and no say over the target's
    weights, while the source's go on shrinking, which is what may bring a later
    round below. An error of zero counts as 1e-10. ValueError on wrong shapes.

    Dai et al., Boosting for Transfer Learning (2007).
    """
    features, labels = joined(source, source_labels, target, target_labels)
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"labels must be whole numbers from 0; got {labels.dtype} down to {labels.min()}")
    if rounds < 1:
        raise ValueError(f"rounds must be 1 or more; got {rounds}")
    n = len(source)
    shrink = 1 / (1 + (2 * np.log(n) / rounds) ** 0.5)
    weights = np.full(len(labels), 1 / len(labels))
    models, betas, history = [], [], []
    for _ in range(rounds):
        model = fit(features, labels, weights * len(labels))
        wrong = predicted(model, features) != labels
        error = weights[n:] @ wrong[n:] / weights[n:].sum()
        beta = round_beta(error)
        models.append(model)
        betas.append(beta)
        history.append(weights)
        weights = weights * np.where(wrong, np.where(np.arange(len(labels)) < n, shrink, 1 / beta), 1)
        weights /= weights.sum()
    return Boosted(tuple(models), np.array(betas), np.array(history), int(labels.max()) + 1)


def round_beta(error: float) -> float:
    """``error / (1 - error)``, and 1 where a round does no better than chance."""
    error = min(max(error, LEAST_ERROR), 0.5)
    return error / (1 - error)


def predicted(model: Model, features: Rows) -> Values:
    """What the model says of each row. ValueError where that is not ``[rows]``."""
    found = model(features)
    if found.shape != (len(features),):
        raise ValueError(f"a model must predict [{len(features)}], one value a row; got shape {list(found.shape)}")
    return found


def joined(source: Rows, source_values: Values, target: Rows, target_values: Values) -> tuple[Rows, Values]:
    """Both domains' features and values, the source's first. ValueError where they do not fit."""
    check_rows(source, target)
    for name, rows, values in (("source", source, source_values), ("target", target, target_values)):
        if values.shape != (len(rows),):
            raise ValueError(f"{name}'s labels must be [{len(rows)}], one a row; got shape {list(values.shape)}")
        if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
            raise ValueError(f"{name}'s labels must be finite numbers; got {values.dtype}, nan or infinity")
    return np.concatenate([source, target]), np.concatenate([source_values, target_values])
