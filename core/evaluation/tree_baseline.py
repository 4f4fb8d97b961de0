"""Boosted trees as the baseline of every kind of target: what trees cannot be grown for is brought to what they can."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.statistic import Labels, Probabilities
from medplug.core.evaluation.survival import null_residuals
from medplug.core.evaluation.trees import Matrix, boosted_trees

Found = tuple[Probabilities, dict[str, Any]]


class Split(NamedTuple):
    """The rows of one split: their matrix ``[rows, columns]`` as trees read it, and their encoded labels."""

    matrix: Matrix
    labels: Labels

    def taken(self, rows: NDArray[np.bool_]) -> Split:
        """These rows alone."""
        return Split(self.matrix[rows], self.labels[rows])


def tree_baseline(
    train: Split,
    validation: Split,
    test: Matrix,
    target: Target,
    metric: str,
    seed: int,
    *,
    categorical: NDArray[np.bool_],
    deep: bool = False,
) -> Found:
    """What boosted trees predict of test rows ``[rows, columns]``, and notes on how they were chosen on validation.

    Of times to an event they predict the martingale residuals of a model without
    features (Therneau, Grambsch and Fleming, 1990), which put rows in order by risk; of
    treatments each arm's outcome from its own rows, and the arm. `metric` chooses
    where it is of the target that trees are grown for, else the loss does. `deep`: see `boosted_trees`;
    what times and treatments are brought to takes trees of the usual size.
    """
    if target.kind == "survival":
        return _of_risks(train, validation, test, seed, categorical)
    if target.kind == "treatment":
        return _of_arms(train, validation, test, target, seed, categorical)
    return boosted_trees(*train, *validation, test, target, metric, seed, categorical=categorical, deep=deep)


def _of_risks(train: Split, validation: Split, test: Matrix, seed: int, categorical: NDArray[np.bool_]) -> Found:
    known, chosen_on = null_residuals(train.labels), null_residuals(validation.labels)
    residual = Target.numeric("residual", known.tolist())
    return boosted_trees(
        train.matrix, known, validation.matrix, chosen_on, test, residual, "mse", seed, categorical=categorical
    )


def _of_arms(
    train: Split, validation: Split, test: Matrix, target: Target, seed: int, categorical: NDArray[np.bool_]
) -> Found:
    arms = Target("multiclass", target.classes)
    given, given_later = train.labels[:, 0].astype(np.int64), validation.labels[:, 0].astype(np.int64)
    chances, notes = boosted_trees(
        train.matrix, given, validation.matrix, given_later, test, arms, "log_loss", seed, categorical=categorical
    )
    outcomes, by_arm = [], {}
    for arm, name in enumerate(target.classes):
        own = train.taken(given == arm), validation.taken(given_later == arm)
        values, by_arm[name] = _outcome(*own, test, target, seed, categorical)
        outcomes.append(values)
    return np.column_stack([*outcomes, chances]), {"propensity": notes, "outcome": by_arm}


def _outcome(
    train: Split, validation: Split, test: Matrix, target: Target, seed: int, categorical: NDArray[np.bool_]
) -> Found:
    """The outcome ``[rows]`` of test rows under one arm by its own rows; the mean of these where they are too few."""
    known, chosen_on = train.labels[:, 1], validation.labels[:, 1]
    if len(np.unique(known)) < 2 or not len(chosen_on):
        return np.full(len(test), known.mean()), {"rounds": 0, "why": "too few rows of this arm"}
    if target.binary_outcome:
        outcome, metric = Target("binary", target.outcomes), "log_loss"
        known, chosen_on = known.astype(np.int64), chosen_on.astype(np.int64)
    else:
        outcome, metric = Target.numeric("outcome", known.tolist()), "mse"
    values, notes = boosted_trees(
        train.matrix, known, validation.matrix, chosen_on, test, outcome, metric, seed, categorical=categorical
    )
    return values[:, -1], notes
