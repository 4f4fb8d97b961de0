"""A linear support vector machine on frozen features."""

from __future__ import annotations

from typing import Any

import numpy as np

from medplug.core.adapter import Adapter, FitData, LinearHead, Weights
from medplug.core.evaluation.calibrated import calibrated_choice
from medplug.core.evaluation.linear import Scale, choose_weighting, undisturbed
from medplug.core.evaluation.ridge import best_head
from medplug.core.model import Model

MARGIN = 0.1
"""Errors of a number up to here cost nothing, in standard deviations of the training labels."""


class Svm(Adapter):
    """Linear SVM, one class against the rest (Cortes and Vapnik, 1995), its strength chosen on validation.

    Its margins become probabilities by one scale and one shift for all classes,
    fitted on the validation rows (after Platt, 1999). A number is predicted by
    support vector regression (Drucker et al., 1997).
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Fit the head."""
        data = data.counted()
        if data.target.kind == "regression":
            heads = {strength: _tube(data, strength) for strength in sorted(self.options.strengths)}
            return best_head(heads, data.validation_features, data.validation_labels, data.target, data.metric)

        def fit(class_weights: Weights | None) -> LinearHead:
            heads = {strength: _margins(data, strength, class_weights) for strength in self.options.strengths}
            return calibrated_choice(heads, "strength", data)

        return choose_weighting(data.weightings, fit)


def _tube(data: FitData, strength: float) -> LinearHead:
    """The head whose logit is the standardised number; what lies within the margin of it costs nothing."""
    from sklearn.svm import LinearSVR

    features = data.features.astype(np.float64)
    scale = Scale.of(features)
    columns = (features - scale.mean) * scale.factor
    # the loss of the primal solver is squared, as that of the classes' is
    model = LinearSVR(
        epsilon=MARGIN,
        C=strength,
        loss="squared_epsilon_insensitive",
        dual=False,
        intercept_scaling=10.0,
        max_iter=10_000,
    )
    with undisturbed(columns):
        model.fit(columns, data.target.standardised(data.labels), sample_weight=data.row_weights)
    return scale.fold(LinearHead(model.coef_[None], np.atleast_1d(model.intercept_)))


def _margins(data: FitData, strength: float, class_weights: Weights | None) -> LinearHead:
    """The head whose logits are the margins."""
    from sklearn.svm import LinearSVC

    mean, deviation = data.features.mean(0, dtype=np.float64), data.features.std(0, dtype=np.float64)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    columns = (data.features - mean) * scale
    members = _members(data)
    weight, bias = np.zeros((members.shape[1], columns.shape[1])), np.full(members.shape[1], -1.0)
    for output, member in enumerate(members.T):
        if member.min() == member.max():
            bias[output] = 1.0 if member.all() else -1.0  # a class that all rows or none have
            continue
        # the primal solver draws nothing at random and, unlike the dual one, gets to its end on like features
        model = LinearSVC(C=strength, dual=False, max_iter=10_000)
        model.fit(columns, member, sample_weight=_row_weights(data, member, output, class_weights))
        weight[output], bias[output] = model.coef_[0] * scale, model.intercept_[0]
    return LinearHead(weight, bias - weight @ mean)


def _members(data: FitData) -> Any:
    """Which row has which output ``[rows, outputs]``."""
    if data.target.kind == "multilabel":
        return data.labels
    if data.target.kind == "binary":
        return data.labels[:, None]
    return np.eye(len(data.target.classes), dtype=np.int64)[data.labels]


def _row_weights(data: FitData, member: Any, output: int, class_weights: Weights | None) -> Weights:
    rows = np.ones(len(member)) if data.row_weights is None else data.row_weights
    if class_weights is None:
        return rows
    if data.target.kind == "multilabel":
        return np.asarray(rows * np.where(member == 1, class_weights[output], 1.0))
    return np.asarray(rows * class_weights[data.labels])
