"""The plain baseline that every run is held against: what all rows have in common, and a linear model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.evaluation.conditional import among_options, fit_conditional
from medplug.core.evaluation.cox import fit_cox
from medplug.core.evaluation.linear import choose_weighting, fit_logistic, head_probabilities, majority
from medplug.core.evaluation.ridge import fit_ridge
from medplug.core.evaluation.statistic import Labels, Probabilities
from medplug.core.evaluation.t_learner import fit_t_learner
from medplug.core.plain.features import PlainFeatures


@dataclass(frozen=True, slots=True)
class Baseline:
    """Test probabilities ``[rows, classes]`` of the training majority and of the linear model.

    Of a number the predicted values ``[rows, 1]`` of the training mean and of ridge regression, of the time to
    an event the log hazards of all rows alike and of Cox regression, of multiple choice the commonest letters
    and a conditional logit, of treatments ``[rows, 2 * arms]`` each arm's
    mean and frequency, and a head for each.

    `notes` says how the linear model's strength was chosen.
    """

    majority: Probabilities
    linear: Probabilities
    notes: dict[str, Any]


def plain_baseline(
    plain_features: PlainFeatures,
    train_rows: Sequence[Any],
    train_labels: Labels,
    validation_rows: Sequence[Any],
    validation_labels: Labels,
    test_rows: Sequence[Any],
    target: Target,
    metric: str,
    weightings: Mapping[str, NDArray[np.float64] | None],
    seed: int,
) -> Baseline:
    """Fit the baseline on raw training rows, choose it on validation by `metric`, and predict the test rows.

    Labels are encoded. Features are learned from the training rows alone. A
    dense matrix is standardised; a sparse one (TF-IDF, fingerprints) is fitted
    as it is, since centring would fill it.
    """
    matrix = plain_features.fit_transform(train_rows)
    validation = plain_features.transform(validation_rows)

    chosen_on, standardise = (validation, validation_labels, target), not sparse.issparse(matrix)

    def fit(class_weights: NDArray[np.float64] | None) -> LinearHead:
        return fit_logistic(
            matrix,
            train_labels,
            *chosen_on,
            metric=metric,
            class_weights=class_weights,
            standardise=standardise,
            seed=seed,
        )

    if target.kind == "choice" or not target.has_classes:
        of_kind = {"survival": fit_cox, "treatment": fit_t_learner, "choice": fit_conditional}
        fit_one = of_kind.get(target.kind, fit_ridge)
        head = fit_one(matrix, train_labels, *chosen_on, metric=metric, standardise=standardise)
    else:
        head = choose_weighting(weightings, fit)
    test = plain_features.transform(test_rows)
    constant = majority(train_labels, target, len(test_rows))
    if target.kind == "choice":
        constant = among_options(constant, test)
    return Baseline(constant, head_probabilities(head, test, target), head.notes)
