"""Heads that predict a number: of the plain baseline, of the linear probe, and the choice among several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

_SUMMED, _ROWS = 4096, 2048
"""The widest sparse matrix whose products of columns are summed, and how many rows are made dense at once."""


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
    heads = ridges(columns, target.standardised(labels), row_weights, sorted(strengths))
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


def ridges(
    columns: Any, logits: NDArray[np.float64], row_weights: NDArray[np.float64] | None, strengths: Sequence[float]
) -> dict[float, LinearHead]:
    """The head of each strength on columns ``[rows, width]`` as they are, for logits ``[rows]`` (see `fit_ridge`).

    Of a sparse matrix that is not too wide the products of its columns, or of its rows
    where these are fewer, are summed once for all strengths.
    """
    from scipy import sparse

    if sparse.issparse(columns) and columns.shape[1] <= _SUMMED:
        if columns.shape[0] < columns.shape[1]:
            return _of_few_rows(columns, logits, row_weights, strengths)
        return Normal.of(columns, logits, row_weights).heads(strengths)
    return {strength: ridge(columns, logits, row_weights, strength) for strength in strengths}


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal equations of weighted least squares on centred columns.

    `products` ``[width, width]`` and `answers` ``[width]`` are sums over rows, `mean` ``[width]``
    and `centre` the means that were taken off columns and logits.
    """

    products: NDArray[np.float64]
    answers: NDArray[np.float64]
    mean: NDArray[np.float64]
    centre: float

    @classmethod
    def of(cls, columns: Any, logits: NDArray[np.float64], row_weights: NDArray[np.float64] | None) -> Normal:
        """Those of a sparse matrix, made dense some rows at a time."""
        rows, width = columns.shape
        weights = np.ones(rows) if row_weights is None else row_weights
        products, answers, sums = np.zeros((width, width)), np.zeros(width), np.zeros(width)
        for start in range(0, rows, _ROWS):
            part = slice(start, start + _ROWS)
            dense = columns[part].toarray()
            weighted = dense * weights[part, None]
            products += weighted.T @ dense
            answers += weighted.T @ logits[part]
            sums += weighted.sum(axis=0)
        total = weights.sum()
        mean, centre = sums / total, float(weights @ logits / total)
        return cls(products - total * np.outer(mean, mean), answers - total * centre * mean, mean, centre)

    def heads(self, strengths: Sequence[float]) -> dict[float, LinearHead]:
        """The head of each strength."""
        from scipy.linalg import solve

        found = {}
        for strength in strengths:
            penalised = self.products + np.eye(len(self.mean)) / strength
            slope = solve(penalised, self.answers, assume_a="pos")
            found[strength] = LinearHead(slope[None], np.array([self.centre - slope @ self.mean]))
        return found


def _of_few_rows(
    columns: Any, logits: NDArray[np.float64], row_weights: NDArray[np.float64] | None, strengths: Sequence[float]
) -> dict[float, LinearHead]:
    """The same heads by the products of the rows: as many equations as there are rows (the dual form)."""
    from scipy.linalg import solve

    weights = np.ones(len(logits)) if row_weights is None else row_weights
    dense, total = columns.toarray(), weights.sum()
    mean, centre = weights @ dense / total, float(weights @ logits / total)
    root = np.sqrt(weights)
    dense, answers = (dense - mean) * root[:, None], root * (logits - centre)
    products, found = dense @ dense.T, {}
    for strength in strengths:
        slope = dense.T @ solve(products + np.eye(len(answers)) / strength, answers, assume_a="pos")
        found[strength] = LinearHead(slope[None], np.array([centre - slope @ mean]))
    return found


def ridge(
    columns: Any, logits: NDArray[np.float64], row_weights: NDArray[np.float64] | None, strength: float
) -> LinearHead:
    """The head of one strength on columns ``[rows, width]`` as they are, for logits ``[rows]`` (see `fit_ridge`)."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0 / strength)
    with undisturbed(columns):
        model.fit(columns, logits, sample_weight=row_weights)
    return LinearHead(model.coef_[None], np.array([model.intercept_]))
