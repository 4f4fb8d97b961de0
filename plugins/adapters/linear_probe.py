"""The frozen probe: a linear head on features that are computed once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medplug.core.contracts import Adapter, FitData, LinearHead
from medplug.core.evaluation.linear import choose_weighting, fit_logistic


class LinearProbe(Adapter):
    """Logistic regression on frozen features (Alain and Bengio, 2016), its strength chosen on validation."""

    def prepare(self, model: nn.Module) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """Fit the head."""

        def fit(class_weights: NDArray[np.float64] | None) -> LinearHead:
            return fit_logistic(
                data.features,
                data.labels,
                data.validation_features,
                data.validation_labels,
                data.target,
                metric=data.metric,
                class_weights=class_weights,
                strengths=self.options.strengths,
                standardise=self.options.standardise,
                seed=data.seed,
            )

        return choose_weighting(data.weightings, fit)
