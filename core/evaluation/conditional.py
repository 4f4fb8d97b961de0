"""The conditional logit: a linear head that all options of a question share, of the plain baseline and the probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import ABSENT_LOGIT, STRENGTHS, Scale
from medplug.core.evaluation.penalised import fit_penalised
from medplug.core.evaluation.ridge import best_head
from medplug.core.evaluation.statistic import Labels, Probabilities

Floats = NDArray[np.float64]


def fit_conditional(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    *,
    metric: str,
    row_weights: Floats | None = None,
    strengths: Sequence[float] = STRENGTHS,
    standardise: bool,
) -> LinearHead:
    """Fit a conditional logit (McFadden, 1974) with a ridge penalty at each of `strengths`, and keep the best.

    `features` are blocks ``[rows, options * (width + 1)]``, dense, an option's last column 1
    where the row has it; `labels` the right options ``[rows]``. The head gives one logit an option from its
    own block, by one weight ``[width]`` for all, and -1e4 where there is none; it is linear in the blocks,
    so that it is used as any other. `standardise` fits on columns of mean 0 and variance 1 over all
    options that there are. A strength is the inverse of the penalty on the squared weights, as a logistic
    head's is. The best is that of `metric` on validation; of equal ones the stronger regularisation wins.

    Raises DataError where a table has no rows.
    """
    if not len(labels) or not len(validation_labels):
        raise DataError("a conditional logit needs training rows to fit on and validation rows to choose its strength")
    blocks = np.asarray(features).reshape(len(labels), len(target.classes), -1)
    likelihood, mean, factor = _Likelihood.of(blocks, labels, row_weights, standardise=standardise)
    heads, weight = {}, np.zeros(blocks.shape[2] - 1)
    for strength in sorted(strengths):  # each starts from the last
        weight = fit_penalised(likelihood, weight, strength, float(likelihood.weights.sum()))
        heads[strength] = tied_head(weight * factor, -float(weight * factor @ mean), len(target.classes))
    return best_head(heads, validation_features, validation_labels, target, metric)


def tied_head(weight: Floats, bias: float, options: int) -> LinearHead:
    """One weight ``[width]`` and bias for all options as a head ``[options, options * (width + 1)]`` of blocks."""
    block = np.append(weight, bias - ABSENT_LOGIT)
    return LinearHead(np.kron(np.eye(options), block), np.full(options, ABSENT_LOGIT))


def among_options(probabilities: Probabilities, features: Any) -> Probabilities:
    """Probabilities ``[rows, options]`` of options that each row has, from its blocks; equal ones where all were 0."""
    there = np.asarray(features).reshape(*probabilities.shape, -1)[..., -1] > 0
    known = np.where(there, probabilities, 0.0)
    total = known.sum(axis=1, keepdims=True)
    return np.where(total > 0, known / np.where(total > 0, total, 1.0), there / there.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """The likelihood of the right options among those that each row has.

    `columns` ``[options of all rows, width]`` belong to the places where `there` ``[rows, options]`` is True.
    """

    columns: Floats
    there: NDArray[np.bool_]
    right: Floats
    weights: Floats

    @classmethod
    def of(
        cls, blocks: NDArray[Any], labels: Labels, row_weights: Floats | None, *, standardise: bool
    ) -> tuple[_Likelihood, Floats, Floats]:
        """The likelihood, the columns' means ``[width]``, and what each was multiplied by once this was taken away.

        A shift of all options has no effect on the likelihood; it keeps scores far above `ABSENT_LOGIT`.
        """
        there = blocks[..., -1] > 0
        columns = blocks[there][:, :-1].astype(np.float64)
        scale = Scale.of(columns)
        factor = scale.factor if standardise else np.ones(columns.shape[1])
        columns = (columns - scale.mean) * factor
        right = np.eye(there.shape[1])[labels]
        weights = np.ones(len(labels)) if row_weights is None else row_weights
        return cls(columns, there, right, weights), scale.mean, factor

    def loss(self, weight: Floats) -> tuple[float, Floats]:
        """The negative log likelihood and its gradient ``[width]``."""
        scores = np.full(self.there.shape, -np.inf)
        scores[self.there] = self.columns @ weight
        chances = scores - logsumexp(scores, axis=1, keepdims=True)
        value = -float(self.weights @ chances[self.right > 0])
        excess = (np.exp(chances) - self.right) * self.weights[:, None]
        return value, np.asarray(self.columns.T @ excess[self.there])
