"""Heads whose logits are margins or distances: made into probabilities, and chosen, on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from medplug.core.adapter import FitData, LinearHead
from medplug.core.evaluation.linear import ABSENT_LOGIT, best_of, head_probabilities
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.statistic import membership

SCALES = (1e-4, 1e4)


def calibrated_choice(heads: Mapping[Any, LinearHead], what: str, data: FitData) -> LinearHead:
    """The best head on validation, of those named by `what`, its logits scaled and shifted to be probabilities.

    One positive scale and, where an output stands for a label of its own, one
    shift, so that the order of rows never changes (see `calibrated`). Of equal
    ones the first wins.
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

    The truth is softened as if one more row a class were there, without which a
    few rows that are all right would make every probability 0 or 1. A class
    that no training row has gets no probability.

    After Platt, Probabilistic Outputs for Support Vector Machines (1999), with
    one scale for all classes (Guo et al., On Calibration of Modern Neural Networks, 2017).
    """
    exclusive = data.target.kind == "multiclass"  # a common shift of such classes changes nothing
    seen = np.ones(len(head.bias), dtype=bool)
    if exclusive:
        seen &= membership(data.target, data.labels).any(axis=0)
    logits = (data.validation_features.astype(np.float64) @ head.weight.T + head.bias)[:, seen]
    truth = _softened(data, seen)

    def loss(parameters: NDArray[np.float64]) -> float:
        scaled = np.exp(parameters[0]) * logits + parameters[1]
        if exclusive:
            return float(-(truth * log_softmax(scaled, axis=1)).sum(1).mean())
        return float((np.logaddexp(0, scaled) - truth * scaled).mean())

    bounds = [tuple(np.log(SCALES)), (0.0, 0.0) if exclusive else (-10.0, 10.0)]
    start = np.clip(-np.log(max(logits.std(), 1e-6)), *bounds[0])
    scale, shift = minimize(loss, [start, 0.0], method="L-BFGS-B", bounds=bounds).x
    weight = np.where(seen[:, None], np.exp(scale) * head.weight, 0)
    return LinearHead(weight, np.where(seen, np.exp(scale) * head.bias + shift, ABSENT_LOGIT))


def _softened(data: FitData, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The validation truth ``[rows, outputs]`` of the `seen` outputs, each class of n rows at (n + 1) / (n + classes).

    The rest falls to the other classes; an output with a label of its own has two, present and absent.
    """
    members = membership(data.target, data.validation_labels).astype(np.float64)
    if data.target.kind == "multiclass":
        members = members[:, seen]
        rows = members @ members.sum(0)  # of each row's own class
        softened: NDArray[np.float64] = (members * rows[:, None] + 1) / (rows[:, None] + members.shape[1])
        return softened
    members = members[:, -1:] if data.target.kind == "binary" else members
    present = members.sum(0)
    absent = len(members) - present
    softened = np.where(members > 0, (present + 1) / (present + 2), 1 / (absent + 2))
    return softened
