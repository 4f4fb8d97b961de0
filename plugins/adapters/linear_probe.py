"""The frozen probe: a linear head on features that are computed once."""

from __future__ import annotations

from collections.abc import Sequence

from medplug.core.adapter import Adapter, FitData, LinearHead, Matrix, Weights
from medplug.core.evaluation.linear import choose_weighting, fit_logistic
from medplug.core.model import Model


class LinearProbe(Adapter):
    """Logistic regression on frozen features (Alain and Bengio, 2016), its strength chosen on validation."""

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Fit the head."""
        return probe(data, data.features, self.options.strengths, standardise=self.options.standardise)


def probe(data: FitData, features: Matrix, strengths: Sequence[float], *, standardise: bool = True) -> LinearHead:
    """The logistic head on `features` ``[rows, width]`` in place of the data's own, by its labels and row weights."""

    def fit(class_weights: Weights | None) -> LinearHead:
        return fit_logistic(
            features,
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
