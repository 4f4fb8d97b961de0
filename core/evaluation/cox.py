"""Heads that predict the time to an event: of the plain baseline and of the linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import STRENGTHS, Scale, as_float
from medplug.core.evaluation.penalised import fit_penalised
from medplug.core.evaluation.ridge import best_head
from medplug.core.evaluation.statistic import Labels


def fit_cox(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    *,
    metric: str,
    row_weights: NDArray[np.float64] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    standardise: bool,
) -> LinearHead:
    """Fit a Cox regression with a ridge penalty (Verweij and Van Houwelingen, 1994) at each strength, keep the best.

    `features` are ``[rows, width]``, dense or scipy sparse, `labels` encoded; the
    head's one logit is the log hazard, 0 on average over the training rows. Ties
    are Breslow's. A strength is the inverse of the penalty on the squared weights,
    as a logistic head's is. `row_weights` ``[rows]``, above 0, count rows, as
    events and among those at risk. `standardise` (dense only) fits on columns of
    mean 0 and variance 1 and folds that back; constant columns get weight 0. The
    best is that of `metric` on validation; of equal ones the stronger
    regularisation wins, and where `metric` is undefined at all, the partial
    likelihood chooses.

    Raises DataError where a table has no rows, or no event came in training.
    """
    if not len(validation_labels) or not (len(labels) and labels[:, 1].any()):
        raise DataError("a Cox head needs training rows with an event and validation rows to choose its strength by")
    features = as_float(features)
    scale = Scale.of(features) if standardise else None
    columns = features if scale is None else (features - scale.mean) * scale.factor
    likelihood = _Likelihood.of(columns, labels, row_weights)
    heads, weight = {}, np.zeros(columns.shape[1])
    for strength in sorted(strengths):  # each starts from the last
        weight = fit_penalised(likelihood, weight, strength, float(likelihood.events.sum()))
        head = LinearHead(weight[None], -np.atleast_1d(np.mean(columns @ weight)))
        heads[strength] = head if scale is None else scale.fold(head)
    return best_head(heads, validation_features, validation_labels, target, metric)


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """The partial likelihood of rows in descending time.

    `last` ``[rows]`` is the last row of a row's own time, `first` the first one.
    """

    columns: Any
    log_weights: NDArray[np.float64]
    events: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, columns: Any, labels: Labels, row_weights: NDArray[np.float64] | None) -> _Likelihood:
        """Sort the rows, and weigh the events."""
        order = np.argsort(-labels[:, 0], kind="stable")
        weights = np.ones(len(labels)) if row_weights is None else row_weights[order]
        later = -labels[order, 0]
        first, last = (np.searchsorted(later, later, side=side) for side in ("left", "right"))
        return cls(columns[order], np.log(weights), weights * labels[order, 1], first, last - 1)

    def loss(self, weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The negative log partial likelihood and its gradient ``[width]``, in logarithms so that nothing overflows."""
        logits = np.asarray(self.columns @ weight)
        shares = logits + self.log_weights
        at_risk = np.logaddexp.accumulate(shares)[self.last]
        value = float(self.events @ (at_risk - logits))
        with np.errstate(divide="ignore"):
            met = np.log(self.events) - at_risk
        # a row was at risk of the events of its own time and of all earlier ones, which stand behind it
        met = np.logaddexp.accumulate(met[::-1])[::-1][self.first]
        return value, np.asarray(self.columns.T @ (np.exp(shares + met) - self.events))
