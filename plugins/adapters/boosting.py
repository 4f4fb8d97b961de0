"""TrAdaBoost over linear heads: logistic ones, or for a number ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.adapter import Adapter, FitData, LinearHead, Matrix, Weights
from medplug.core.errors import ConfigError, DataError
from medplug.core.evaluation.linear import Scale, as_float, fit_logistic, head_probabilities
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.evaluation.probe import fit_probe
from medplug.core.evaluation.ridge import ridge
from medplug.core.evaluation.scores import point
from medplug.core.model import Model
from medplug.core.transfer.boosting import Boosted, tradaboost
from medplug.core.transfer.boosting_r2 import two_stage_tradaboost_r2

_DEFAULT = "log_loss"
_FOLDS = 5
_LEAST_ROWS = 2
"""One row to hold out of the target's, and one to learn from."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A ridge head as boosting calls it: features ``[rows, width]`` to standardised numbers ``[rows]``."""

    head: LinearHead

    def __call__(self, features: Matrix) -> NDArray[Any]:
        return np.asarray(features @ self.head.weight[0] + self.head.bias[0])


class Tradaboost(Adapter):
    """TrAdaBoost (Dai et al., 2007): source rows that contradict the target's labels lose their weight.

    Its base model is the logistic head. The published vote of the later half of
    the rounds is taken over their logits in place of their decisions, so that
    the result is one linear head that can be read, and gives probabilities.

    For a number it is two-stage TrAdaBoost.R2 (Pardoe and Stone, 2010) over
    ridge regression, of the strength that is best without boosting; the mean of
    the chosen step's models stands for their median, for the same reason.
    """

    def prepare(self, model: Model) -> None:
        """Freeze everything."""
        model.requires_grad_(False)

    def fit(self, data: FitData) -> LinearHead:
        """The boosted head of the strength that is best on validation."""
        if data.target.kind == "multilabel" or data.of_target is None:
            raise ConfigError("adapter=tradaboost needs one label a row, and rows of two domains")
        if data.row_weights is not None:
            raise ConfigError("adapter=tradaboost weighs the source rows itself; use it without kmm or density_ratio")
        if data.target.kind == "regression":
            return self._regressed(data)
        heads = {strength: self._boosted(data, strength) for strength in self.options.strengths}
        scores = {strength: _scored(data, head) for strength, head in heads.items()}
        metric = data.metric if not any(np.isnan(score[0]) for score in scores.values()) else _DEFAULT
        place = 0 if metric == data.metric else 1
        better = max if GREATER_IS_BETTER[metric] else min
        strength = better(scores, key=lambda each: scores[each][place])
        notes = {"strength": strength, "validation": {metric: scores[strength][place]}, **heads[strength].notes}
        return LinearHead(heads[strength].weight, heads[strength].bias, notes)

    def _regressed(self, data: FitData) -> LinearHead:
        assert data.of_target is not None
        source, target = ~data.of_target, data.of_target
        if target.sum() < _LEAST_ROWS:
            raise DataError(f"adapter=tradaboost needs {_LEAST_ROWS} labelled rows of the target domain; give more")
        strength = fit_probe(data, self.options.strengths).notes["strength"]
        features = as_float(data.features)
        scale = Scale.of(features)
        columns, logits = (features - scale.mean) * scale.factor, data.target.standardised(data.labels)
        boosted = two_stage_tradaboost_r2(
            lambda rows, numbers, weights: _Line(ridge(rows, numbers, weights, strength)),
            columns[source],
            logits[source],
            columns[target],
            logits[target],
            rounds=self.options.rounds,
            folds=min(_FOLDS, int(target.sum())),
            seed=data.seed,
        )
        lines = [model.head for model in boosted.models if isinstance(model, _Line)]
        head = scale.fold(_mean(lines, boosted.betas))
        found = point(
            data.target,
            data.validation_labels,
            head_probabilities(head, data.validation_features, data.target),
            data.metric,
        )
        notes = {"strength": strength, "validation": {data.metric: found}, "step of the source's weight": boosted.step}
        return LinearHead(head.weight, head.bias, notes)

    def _boosted(self, data: FitData, strength: float) -> LinearHead:
        assert data.of_target is not None
        source, target = ~data.of_target, data.of_target
        fitted: list[LinearHead] = []

        def fit(features: Matrix, labels: NDArray[Any], weights: Weights) -> Any:
            head = fit_logistic(
                features,
                labels,
                data.validation_features,
                data.validation_labels,
                data.target,
                metric=_DEFAULT,
                row_weights=weights,
                strengths=(strength,),
                standardise=True,
                seed=data.seed,
            )
            fitted.append(head)
            return lambda rows: data.target.decide(head_probabilities(head, rows, data.target))

        boosted = tradaboost(
            fit,
            data.features[source],
            data.labels[source],
            data.features[target],
            data.labels[target],
            rounds=self.options.rounds,
        )
        return _vote(boosted, fitted)


def _vote(boosted: Boosted, heads: list[LinearHead]) -> LinearHead:
    """The mean of the later half's heads, each counting log(1 / beta)."""
    first = -(-len(heads) // 2) - 1
    return _mean(heads[first:], boosted.betas[first:])


def _mean(heads: list[LinearHead], betas: Weights) -> LinearHead:
    """The mean of the heads, each counting log(1 / beta); all alike where none counts."""
    shares = -np.log(betas)
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(shares), 1 / len(shares))
    weight = sum(share * head.weight for share, head in zip(shares, heads, strict=True))
    bias = sum(share * head.bias for share, head in zip(shares, heads, strict=True))
    return LinearHead(np.asarray(weight), np.asarray(bias), {"rounds that count": int((shares > 0).sum())})


def _scored(data: FitData, head: LinearHead) -> tuple[float, float]:
    """The data's metric and the log loss on validation."""
    chances = head_probabilities(head, data.validation_features, data.target)
    metric, default = (point(data.target, data.validation_labels, chances, name) for name in (data.metric, _DEFAULT))
    return metric, default
