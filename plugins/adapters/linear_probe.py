"""The frozen probe: a linear head on features that are computed once."""

from __future__ import annotations

from collections.abc import Sequence

from medplug.core.adapter import Adapter, FitData, LinearHead, Weights
from medplug.core.evaluation.linear import choose_weighting, fit_logistic
from medplug.core.model import Model
from medplug.plugins.adapters.counted import counted


class LinearProbe(Adapter):
    """Logistic regression on frozen features (Alain and Bengio, 2016), its strength chosen on validation."""

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Fit the head."""
        return probe(data, self.options.strengths, standardise=self.options.standardise)


def probe(data: FitData, strengths: Sequence[float], *, standardise: bool = True) -> LinearHead:
    """The logistic head of the data, by its row weights."""
    data = counted(data)

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
