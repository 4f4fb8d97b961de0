"""Likelihoods of a linear head with a ridge penalty, minimised: for those that scikit-learn does not fit."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from medplug.core.evaluation.linear import MAX_ITERATIONS, undisturbed

_GRADIENT, _PROGRESS = 1e-7, 1e-13
"""Where a fit is done: at so small a slope, or so small a share of the loss gained."""


class Likelihood(Protocol):
    """Columns ``[rows, width]`` and what a weight on them costs."""

    @property
    def columns(self) -> Any:
        """Dense or sparse."""

    def loss(self, weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The negative log likelihood and its gradient ``[width]``."""


def fit_penalised(
    likelihood: Likelihood, start: NDArray[np.float64], strength: float, counted: float
) -> NDArray[np.float64]:
    """The weights ``[width]`` at one strength, the inverse of the penalty on their squares.

    The loss is divided by what is `counted` (rows, events), so that a fit is done at a slope of a like size.
    """

    def penalised(weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = likelihood.loss(weight)
        return (value + float(weight @ weight) / (2 * strength)) / counted, (slope + weight / strength) / counted

    with undisturbed(likelihood.columns):
        found = minimize(
            penalised,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MAX_ITERATIONS, "gtol": _GRADIENT, "ftol": _PROGRESS},
        )
    return np.asarray(found.x)
