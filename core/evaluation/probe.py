"""The linear head on frozen features: of the linear probe, and of what a transfer method is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medplug.core.adapter import FitData, LinearHead, Weights
from medplug.core.evaluation.conditional import fit_conditional
from medplug.core.evaluation.cox import fit_cox
from medplug.core.evaluation.linear import STRENGTHS, choose_weighting, fit_logistic
from medplug.core.evaluation.ridge import fit_ridge
from medplug.core.evaluation.t_learner import fit_t_learner


def fit_probe(data: FitData, strengths: Sequence[float] = STRENGTHS, *, standardise: bool = True) -> LinearHead:
    """The head of the strength and the class weighting that are best on validation, by the data's row weights.

    It is logistic, for a number that of ridge regression, for the time to an event that of Cox regression,
    for multiple choice a conditional logit, for treatments one for each arm's outcome and one for the arm.
    """
    data = data.counted()
    if data.target.kind == "choice" or not data.target.has_classes:
        of_kind = {"survival": fit_cox, "treatment": fit_t_learner, "choice": fit_conditional}
        fit_one = of_kind.get(data.target.kind, fit_ridge)
        return fit_one(
            data.features,
            data.labels,
            data.validation_features,
            data.validation_labels,
            data.target,
            metric=data.metric,
            row_weights=data.row_weights,
            strengths=strengths,
            standardise=standardise,
        )

    def fit(class_weights: Weights | None) -> LinearHead:
        return fit_logistic(
            data.features,
            data.labels,
            data.validation_features,
            data.validation_labels,
            data.target,
            metric=data.metric,
            class_weights=class_weights,
            row_weights=data.row_weights,
            strengths=strengths,
            standardise=standardise,
            seed=data.seed,
        )

    return choose_weighting(data.weightings, fit)


def fit_probe_again(data: FitData, chosen: LinearHead, *, standardise: bool = True) -> LinearHead:
    """The head of the strength and weighting that `chosen` names, fitted on training and validation rows together.

    Its validation logits stay those of `chosen`, which did not learn from these rows.
    """
    data = data.counted()
    weights = None
    if data.row_weights is not None:
        weights = np.concatenate([data.row_weights, np.ones(len(data.validation_labels))])
    weighting = chosen.notes.get("class weights", "none")
    together = replace(
        data,
        features=np.concatenate([data.features, data.validation_features]),
        labels=np.concatenate([data.labels, data.validation_labels]),
        of_target=None,
        row_weights=weights,
        weightings={weighting: data.weightings[weighting]},
    )
    again = _again(together, chosen.notes, standardise=standardise)
    seen = (data.validation_features @ chosen.weight.T + chosen.bias).astype(np.float32)
    notes = {**chosen.notes, "fitted again on": "training and validation rows, once the strength was chosen"}
    return LinearHead(again.weight, again.bias, notes, seen)


def _again(together: FitData, notes: Mapping[str, Any], *, standardise: bool) -> LinearHead:
    """The head of the strength that notes name; of treatments the propensities have a strength of their own."""
    if together.target.kind != "treatment":
        return fit_probe(together, (notes["strength"],), standardise=standardise)
    return fit_t_learner(
        together.features,
        together.labels,
        together.validation_features,
        together.validation_labels,
        together.target,
        metric=together.metric,
        row_weights=together.row_weights,
        strengths=(notes["strength"],),
        propensity_strengths=(notes["propensity"]["strength"],),
        standardise=standardise,
    )
