"""The linear head on frozen features: of the linear probe, and of what a transfer method is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medplug.core.adapter import FitData, LinearHead, Weights
from medplug.core.evaluation.cox import fit_cox
from medplug.core.evaluation.linear import STRENGTHS, choose_weighting, fit_logistic
from medplug.core.evaluation.ridge import fit_ridge


def fit_probe(data: FitData, strengths: Sequence[float] = STRENGTHS, *, standardise: bool = True) -> LinearHead:
    """The head of the strength and the class weighting that are best on validation, by the data's row weights.

    It is logistic, for a number that of ridge regression, for the time to an event that of Cox regression.
    """
    data = data.counted()
    if not data.target.has_classes:
        fit_one = fit_cox if data.target.kind == "survival" else fit_ridge
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
    again = fit_probe(together, (chosen.notes["strength"],), standardise=standardise)
    seen = (data.validation_features @ chosen.weight.T + chosen.bias).astype(np.float32)
    notes = {**chosen.notes, "fitted again on": "training and validation rows, once the strength was chosen"}
    return LinearHead(again.weight, again.bias, notes, seen)
