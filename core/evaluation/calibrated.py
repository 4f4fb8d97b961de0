"""Heads whose logits are margins or distances: made into probabilities, and chosen, on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from medplug.core.adapter import FitData, LinearHead
from medplug.core.evaluation.linear import best_of, head_probabilities
from medplug.core.evaluation.scores import point

SCALES = (1e-4, 1e4)


def calibrated_choice(heads: Mapping[Any, LinearHead], what: str, data: FitData) -> LinearHead:
    """The best head on validation, of those named by `what`, its logits scaled and shifted for the least log loss.

    One positive scale and, where an output stands for a label of its own, one
    shift, so that the order of rows never changes. Of equal ones the first wins.
    """
    scaled = {name: calibrated(head, data) for name, head in heads.items()}
    chances = {name: head_probabilities(head, data.validation_features, data.target) for name, head in scaled.items()}

    def scores(metric: str) -> dict[Any, float]:
        return {name: point(data.target, data.validation_labels, each, metric) for name, each in chances.items()}

    metric, found = data.metric, scores(data.metric)
    if any(np.isnan(score) for score in found.values()):
        metric, found = "log_loss", scores("log_loss")
    best = best_of(found, metric)
    notes = {what: best, "validation": {metric: found[best]}, "tried": {str(name): v for name, v in found.items()}}
    return LinearHead(scaled[best].weight, scaled[best].bias, notes)


def calibrated(head: LinearHead, data: FitData) -> LinearHead:
    """The head with the scale and the shift of its logits that have the least log loss on validation.

    After Platt, Probabilistic Outputs for Support Vector Machines (1999), with
    one scale for all classes (Guo et al., On Calibration of Modern Neural Networks, 2017).
    """
    logits = data.validation_features.astype(np.float64) @ head.weight.T + head.bias
    shifts = data.target.kind != "multiclass"  # of classes that exclude each other a common shift changes nothing

    def loss(parameters: NDArray[np.float64]) -> float:
        chances = data.target.probabilities(np.exp(parameters[0]) * logits + parameters[1])
        return point(data.target, data.validation_labels, chances, "log_loss")

    bounds = [tuple(np.log(SCALES)), (-10.0, 10.0) if shifts else (0.0, 0.0)]
    start = np.array([-np.log(max(logits.std(), 1e-6)), 0.0]).clip(
        [each[0] for each in bounds], [each[1] for each in bounds]
    )
    scale, shift = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return LinearHead(np.exp(scale) * head.weight, np.exp(scale) * head.bias + shift)
