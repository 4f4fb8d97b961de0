"""Heads for treatments: of the plain baseline and of the linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import STRENGTHS, as_float, fit_logistic
from medplug.core.evaluation.metrics import fallback
from medplug.core.evaluation.ridge import best_head, fit_ridge
from medplug.core.evaluation.statistic import Labels

_OF_OUTCOMES = ("factual_loss", "factual_auroc", "factual_mae")


def fit_t_learner(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    *,
    metric: str,
    row_weights: NDArray[np.float64] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    propensity_strengths: Sequence[float] | None = None,
    standardise: bool,
) -> LinearHead:
    """Fit a head of the outcome for each arm by its own rows (a T-learner; Künzel et al., 2019), and one of the arm.

    `features` are ``[rows, width]``, dense or scipy sparse, `labels` encoded. Outcomes
    have ridge regression, or logistic regression where binary, and the arm
    multinomial logistic regression (its propensities). All arms' outcomes share a
    strength, the best on validation by `metric` where it is of outcomes, else by
    the factual loss; the arm's own (of `propensity_strengths`; unset: `strengths`) is the best by log loss.

    Raises DataError where a table has no rows.
    """
    if not len(labels) or not len(validation_labels):
        raise DataError("heads of treatments need training rows to fit on and validation rows to choose a strength by")
    features = as_float(features)
    data = (features, labels, validation_features, validation_labels, target)
    heads = {c: _outcomes(*data, row_weights, c, standardise=standardise) for c in sorted(strengths)}
    chosen_by = metric if metric in _OF_OUTCOMES else fallback("treatment")
    outcomes = best_head(heads, validation_features, validation_labels, target, chosen_by)
    arms = fit_logistic(
        features,
        _arms(labels),
        validation_features,
        _arms(validation_labels),
        Target("multiclass", target.classes),
        metric="log_loss",
        row_weights=row_weights,
        strengths=propensity_strengths or strengths,
        standardise=standardise,
        seed=0,  # which no solver of it draws from
    )
    half = len(target.classes)
    weight = np.concatenate([outcomes.weight[:half], arms.weight])
    bias = np.concatenate([outcomes.bias[:half], arms.bias])
    return LinearHead(weight, bias, {**outcomes.notes, "propensity": arms.notes})


def _outcomes(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    row_weights: NDArray[np.float64] | None,
    strength: float,
    *,
    standardise: bool,
) -> LinearHead:
    """The heads of all arms at one strength, over propensities that are equal."""
    found = []
    for arm in range(len(target.classes)):
        rows = np.flatnonzero(_arms(labels) == arm)
        if not len(rows):
            raise DataError(f"no row to fit on was given {target.classes[arm]}; give more rows of it")
        weights = None if row_weights is None else row_weights[rows]
        own, validation = labels[rows, 1], (validation_features, validation_labels[:, 1])
        if target.binary_outcome:
            single = Target("binary", target.outcomes)
            head = fit_logistic(
                features[rows],
                own.astype(np.int64),
                validation[0],
                validation[1].astype(np.int64),
                single,
                metric="log_loss",
                row_weights=weights,
                strengths=(strength,),
                standardise=standardise,
                seed=0,
            )
        else:
            single = Target("regression", target.outcomes, target.centre, target.scale)
            head = fit_ridge(
                features[rows],
                own,
                *validation,
                single,
                metric="mse",
                row_weights=weights,
                strengths=(strength,),
                standardise=standardise,
            )
        found.append(head)
    weight, bias = np.concatenate([head.weight for head in found]), np.concatenate([head.bias for head in found])
    return LinearHead(np.concatenate([weight, np.zeros_like(weight)]), np.concatenate([bias, np.zeros_like(bias)]))


def _arms(labels: Labels) -> NDArray[np.int64]:
    return np.asarray(labels[:, 0], dtype=np.int64)
