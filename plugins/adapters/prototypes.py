"""Few-shot classification by the nearest class prototype, without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import Adapter, FitData, LinearHead, Weights
from medplug.core.evaluation.calibrated import calibrated_choice
from medplug.core.model import Model


class Prototypes(Adapter):
    """The nearest mean of a class's features (Snell, Swersky and Zemel, 2017).

    With squared distances the logits are linear in the features: plain ones, or
    by the classes' shared covariance, shrunk after Ledoit and Wolf (2004).
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Average each class's rows; distances become probabilities by a scale fitted on validation."""
        data, metric = data.counted(), self.options.metric
        names = ("euclidean", "mahalanobis") if metric == "auto" else (metric,)
        return calibrated_choice({name: _head(data, name) for name in names}, "metric", data)


def _head(data: FitData, metric: str) -> LinearHead:
    """Logits ``-d^2 / 2`` of each class, less what all classes share; for a label, present against absent."""
    features = data.features.astype(np.float64)
    rows = np.ones(len(features)) if data.row_weights is None else data.row_weights / data.row_weights.mean()
    middle = np.average(features, axis=0, weights=rows)
    centred = features - middle
    if data.target.kind == "multiclass":
        members = np.eye(len(data.target.classes))[data.labels]
        prototypes = _means(centred, members, rows)
        directions = prototypes @ _inverse(centred - prototypes[data.labels], rows, metric)
        bias = -0.5 * (directions * prototypes).sum(1)
        return LinearHead(directions, bias - directions @ middle)
    present = data.labels.reshape(len(features), -1)
    pairs = [_pair(centred, present[:, label], rows, metric) for label in range(present.shape[1])]
    weight, bias = np.stack([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    return LinearHead(weight, bias - weight @ middle)


def _pair(centred: NDArray[Any], present: NDArray[Any], rows: Weights, metric: str) -> tuple[NDArray[Any], float]:
    """The logit of one label's presence: which of two prototypes is nearer."""
    if present.min() == present.max():
        return np.zeros(centred.shape[1]), 1.0 if present.all() else -1.0
    absent_mean, present_mean = _means(centred, np.eye(2)[present], rows)
    spread = centred - np.where(present[:, None] == 1, present_mean, absent_mean)
    direction = _inverse(spread, rows, metric) @ (present_mean - absent_mean)
    return direction, float(-0.5 * direction @ (present_mean + absent_mean))


def _means(features: NDArray[Any], members: NDArray[Any], rows: Weights) -> NDArray[Any]:
    """The weighted mean of each class's rows ``[classes, width]``."""
    shares = members * rows[:, None]
    totals = shares.sum(0)
    means: NDArray[Any] = (shares.T @ features) / np.where(totals > 0, totals, 1)[:, None]
    return means


def _inverse(spread: NDArray[Any], rows: Weights, metric: str) -> NDArray[Any]:
    """What distances are measured by ``[width, width]``: `spread` is from each row to its class's mean."""
    spread = spread * np.sqrt(rows)[:, None]  # weighted covariances are plain ones of these
    if metric == "euclidean":
        return np.asarray(np.eye(spread.shape[1]) / max(np.square(spread).mean(), 1e-12))
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(spread, assume_centered=True)
    inverse: NDArray[Any] = np.linalg.pinv(covariance, hermitian=True)
    return inverse
