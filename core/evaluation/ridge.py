"""Heads that predict a number: of the plain baseline, of the linear probe, and the choice among several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import STRENGTHS, Scale, as_float, best_of, head_probabilities, undisturbed
from medplug.core.evaluation.metrics import fallback
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.statistic import Labels


def fit_ridge(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    *,
    metric: str,
    row_weights: NDArray[np.float64] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    standardise: bool,
) -> LinearHead:
    """Fit ridge regression (Hoerl and Kennard, 1970) at each of `strengths`, and keep the best on validation.

    `features` are ``[rows, width]``, dense or scipy sparse, `labels` encoded; the
    head's one logit is the standardised number. A strength is the inverse of the
    penalty on the squared weights, as a logistic head's is. `row_weights`
    ``[rows]`` weigh the squared errors. `standardise` (dense only) fits on
    columns of mean 0 and variance 1 and folds that back; constant columns get
    weight 0. Of equal strengths the stronger regularisation wins, and where
    `metric` is undefined at all, the squared error chooses.

    Raises DataError where a table has no rows.
    """
    if not len(labels) or not len(validation_labels):
        raise DataError("a ridge head needs training rows to fit on and validation rows to choose its strength by")
    features = as_float(features)
    scale = Scale.of(features) if standardise else None
    columns = features if scale is None else (features - scale.mean) * scale.factor
    heads = {c: ridge(columns, target.standardised(labels), row_weights, c) for c in sorted(strengths)}
    heads = heads if scale is None else {c: scale.fold(head) for c, head in heads.items()}
    return best_head(heads, validation_features, validation_labels, target, metric)


def best_head(
    heads: Mapping[float, LinearHead], features: Any, labels: Labels, target: Target, metric: str
) -> LinearHead:
    """The head whose strength is best on validation rows; `notes` says which, its score and all that were tried.

    Of equal ones the first wins. Where `metric` is undefined for all of them, the squared error chooses.
    """

    def scores(name: str) -> dict[float, float]:
        return {c: point(target, labels, head_probabilities(head, features, target), name) for c, head in heads.items()}

    found = scores(metric)
    if all(np.isnan(score) for score in found.values()):
        metric = fallback(target.kind)
        found = scores(metric)
    best = best_of(found, metric)
    tried = {f"{c:g}": None if np.isnan(score) else score for c, score in found.items()}
    notes = {"strength": best, "validation": {metric: found[best]}, "tried": tried}
    return LinearHead(heads[best].weight, heads[best].bias, notes)


def ridge(
    columns: Any, logits: NDArray[np.float64], row_weights: NDArray[np.float64] | None, strength: float
) -> LinearHead:
    """The head of one strength on columns ``[rows, width]`` as they are, for logits ``[rows]`` (see `fit_ridge`)."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0 / strength)
    with undisturbed(columns):
        model.fit(columns, logits, sample_weight=row_weights)
    return LinearHead(model.coef_[None], np.array([model.intercept_]))
