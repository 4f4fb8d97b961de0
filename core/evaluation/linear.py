"""The logistic head: of the plain baseline, and of the linear probe on frozen features.

L2-regularised logistic regression whose strength is chosen on the validation
rows, walking from strong to weak regularisation, each fit started from the last.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.metrics import GREATER_IS_BETTER
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.statistic import Labels, Probabilities, membership

Choice = TypeVar("Choice")

STRENGTHS = tuple(10.0**power for power in range(-4, 4))
"""scikit-learn's C: the inverse of the regularisation, so the first is the strongest."""

MAX_ITERATIONS = 1000
TOLERANCE = 1e-5
THREADED_CELLS = 2**24
"""A dense matrix of fewer cells is solved on one thread."""
ABSENT_LOGIT = -1e4
"""The bias of a class that training never saw: no probability beside any other, and finite in float16."""
BY_ORDER = ("auroc", "auprc")
ALIKE = 0.005
"""Scores of `BY_ORDER` on validation rows that are no further apart than this count as equal."""

_process = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Problem:
    """One fit: its labels and row weights, and the rows of the head that its coefficients fill."""

    outputs: NDArray[np.int64]
    labels: NDArray[np.int64]
    row_weights: NDArray[np.float64] | None
    model: LogisticRegression


@dataclass(frozen=True, slots=True)
class Scale:
    """Columns as ``(features - mean) * factor``; the factor of a constant column is 0."""

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> Scale:
        """The scale of these columns ``[rows, width]``."""
        varies = features.max(axis=0) > features.min(axis=0)
        deviation = np.where(varies, features.std(axis=0), np.inf)
        return cls(features.mean(axis=0), 1.0 / deviation)

    def fold(self, head: LinearHead) -> LinearHead:
        """The head on unscaled features that gives the logits `head` gives on scaled ones."""
        weight = head.weight * self.factor
        return LinearHead(weight, head.bias - weight @ self.mean, head.notes)


def fit_logistic(
    features: Any,
    labels: Labels,
    validation_features: Any,
    validation_labels: Labels,
    target: Target,
    *,
    metric: str,
    class_weights: NDArray[np.float64] | None = None,
    row_weights: NDArray[np.float64] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    standardise: bool,
    seed: int,
) -> LinearHead:
    """Fit a logistic head at each of `strengths` and keep the best on validation by `metric`.

    `features` are ``[rows, width]``, dense or scipy sparse, `labels` encoded.
    Binary gives one output; multiclass a softmax of one a class, where a class
    that training never saw gets weight 0 and a bias of -1e4; multilabel one
    against the rest, where a label of a single value in training gets a
    constant logit, its prior by Laplace's rule of succession.

    `class_weights` ``[classes]`` weighs rows by their class (for multilabel: the
    rows that have a label, in that label's fit), `row_weights` ``[rows]`` each row. `standardise` (dense only) fits
    on columns of mean 0 and variance 1 and folds that back into the head;
    constant columns get weight 0. Of equal strengths on validation the stronger
    regularisation wins (where `metric` sees the order of rows alone: the least
    log loss, see `best_of`); where `metric` is undefined at all of them, log loss
    chooses. `notes` says the strength, its validation score, all that were
    tried, and which did not converge.

    Raises DataError where a table has no rows.
    """
    if not len(labels) or not len(validation_labels):
        raise DataError("a logistic head needs training rows to fit on and validation rows to choose its strength by")
    features = as_float(features)
    scale = Scale.of(features) if standardise else None
    columns = features if scale is None else (features - scale.mean) * scale.factor
    problems = _problems(columns, labels, target, class_weights, row_weights, seed)
    bias = _constant_bias(labels, target)
    heads: dict[float, LinearHead] = {}
    for strength in sorted(strengths):
        head = _fit(problems, columns, bias, strength)
        heads[strength] = head if scale is None else scale.fold(head)
    probabilities = {c: head_probabilities(head, validation_features, target) for c, head in heads.items()}
    metric, tried = _scores(probabilities, validation_labels, target, metric)
    losses = {c: point(target, validation_labels, each, "log_loss") for c, each in probabilities.items()}
    strength = best_of(tried, metric, losses)
    scores = {metric: tried[strength], "log_loss": losses[strength]}
    notes: dict[str, Any] = {"strength": strength, "validation": scores, "tried": _named(tried)}
    unconverged = [c for c, head in heads.items() if not head.notes["converged"]]
    if unconverged:
        notes["unconverged"] = unconverged
    return LinearHead(heads[strength].weight, heads[strength].bias, notes)


def choose_weighting(
    weightings: Mapping[str, NDArray[np.float64] | None], fit: Callable[[NDArray[np.float64] | None], LinearHead]
) -> LinearHead:
    """The best of `fit` under each named weighting of the classes, by the validation score in its notes.

    The first of equal ones wins, of scores that see the order of rows alone the one of the least log loss.
    """
    heads = {name: fit(weights) for name, weights in weightings.items()}
    scores = {name: next(iter(head.notes["validation"].items())) for name, head in heads.items()}
    losses = {name: head.notes["validation"].get("log_loss", np.inf) for name, head in heads.items()}
    (first, (metric, _)), *_ = scores.items()
    alike = {scored_by for scored_by, _ in scores.values()} == {metric}  # else log loss stood in for one of them
    best = best_of({name: score for name, (_, score) in scores.items()}, metric, losses) if alike else first
    return LinearHead(heads[best].weight, heads[best].bias, {"class weights": best, **heads[best].notes})


def head_probabilities(head: LinearHead, features: Any, target: Target) -> Probabilities:
    """The probabilities ``[rows, classes]`` that a head gives on features ``[rows, width]``, dense or sparse."""
    return target.probabilities(np.asarray(features @ head.weight.T) + head.bias)


def majority(labels: Labels, target: Target, rows: int) -> Probabilities:
    """The training class frequencies for each of `rows` rows: the decision is the commonest class.

    Of numbers their mean ``[rows, 1]``, of times to an event a log hazard of 0, of treatments
    each arm's mean outcome and its frequency ``[rows, 2 * arms]``.
    """
    if target.kind == "treatment":
        members = labels[:, :1] == np.arange(len(target.classes))
        means = labels[:, 1] @ members / members.sum(axis=0)
        return np.tile(np.concatenate([means, members.mean(axis=0)]), (rows, 1))
    if target.kind == "survival":
        return np.zeros((rows, 1))
    if target.kind == "regression":
        return np.full((rows, 1), labels.mean())
    return np.tile(membership(target, labels).mean(axis=0), (rows, 1))


def as_float(features: Any) -> Any:
    """Features ``[rows, width]``, dense or sparse (CSR), in float64."""
    if sparse.issparse(features):
        return features.tocsr().astype(np.float64, copy=False)
    return np.asarray(features, dtype=np.float64)


def _problems(
    columns: Any,
    labels: Labels,
    target: Target,
    class_weights: NDArray[np.float64] | None,
    row_weights: NDArray[np.float64] | None,
    seed: int,
) -> list[_Problem]:
    """The fits that the labels allow: one, none where all rows agree, or for multilabel one a label that varies."""
    if target.kind == "multilabel":
        factors = np.ones(labels.shape[1]) if class_weights is None else class_weights
        rows = np.ones(len(labels)) if row_weights is None else row_weights
        weights = rows[:, None] * np.where(labels == 1, factors, 1.0)
        return [
            _Problem(np.array([c]), labels[:, c], weights[:, c], _model(columns, seed))
            for c in range(labels.shape[1])
            if len(np.unique(labels[:, c])) == 2
        ]
    seen = np.unique(labels)
    if len(seen) < 2:
        return []
    # Of two classes scikit-learn fits the logit of the second against the first.
    outputs = seen[-1:] if len(seen) == 2 else seen
    if class_weights is not None:
        of_class = np.asarray(class_weights, dtype=np.float64)[labels]
        row_weights = of_class if row_weights is None else of_class * row_weights
    return [_Problem(outputs - 1 if target.kind == "binary" else outputs, labels, row_weights, _model(columns, seed))]


def _model(columns: Any, seed: int) -> LogisticRegression:
    # With thousands of sparse columns L-BFGS spends its time on its own dense vectors; Newton needs few steps.
    solver = "newton-cg" if sparse.issparse(columns) else "lbfgs"
    return LogisticRegression(solver=solver, max_iter=MAX_ITERATIONS, tol=TOLERANCE, warm_start=True, random_state=seed)


def _constant_bias(labels: Labels, target: Target) -> NDArray[np.float64]:
    """The bias ``[outputs]`` where nothing is fitted; fits overwrite their own part."""
    members = membership(target, labels)
    rows, present = len(members), members.sum(axis=0)
    if target.kind == "multiclass":
        return np.where(present > 0, 0.0, ABSENT_LOGIT)
    present = present[-1:] if target.kind == "binary" else present
    return np.asarray(np.log((present + 1) / (rows - present + 1)))


def _fit(problems: Sequence[_Problem], columns: Any, constant: NDArray[np.float64], strength: float) -> LinearHead:
    weight, bias, converged = np.zeros((len(constant), columns.shape[1])), constant.copy(), True
    for problem in problems:
        model = problem.model.set_params(C=strength)
        with undisturbed(columns):
            model.fit(columns, problem.labels, sample_weight=problem.row_weights)
        weight[problem.outputs], bias[problem.outputs] = model.coef_, model.intercept_
        converged &= int(model.n_iter_.max()) < MAX_ITERATIONS
    return LinearHead(weight, bias, {"converged": converged})


@contextmanager
def undisturbed(columns: Any) -> Iterator[None]:
    """No warnings of convergence (the iteration count tells) and no more threads than pay.

    Warning filters and thread counts belong to the whole process, so one fit at
    a time may change them. Small products gain nothing from threads, and where
    the processors are shared their waiting makes a fit ten times slower.
    """
    threads = None if not sparse.issparse(columns) and columns.size >= THREADED_CELLS else 1
    with _process, warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Line Search failed")  # newton-cg at the limit of rounding
        yield


def _scores(
    probabilities: dict[float, Probabilities], labels: Labels, target: Target, metric: str
) -> tuple[str, dict[float, float]]:
    """The metric to choose by and its value at each strength."""
    scores = {c: point(target, labels, each, metric) for c, each in probabilities.items()}
    if all(np.isnan(score) for score in scores.values()):
        return "log_loss", {c: point(target, labels, each, "log_loss") for c, each in probabilities.items()}
    return metric, scores


def best_of(tried: dict[Choice, float], metric: str, losses: Mapping[Choice, float] | None = None) -> Choice:
    """What has the best score, the first (of strengths: the strongest regularisation) of equal ones.

    A metric that sees the order of rows alone (`BY_ORDER`) would take probabilities that are all
    near one half for good ones: where `losses` are given, of those within `ALIKE` of its best the least log loss wins.
    """
    sign = 1.0 if GREATER_IS_BETTER[metric] else -1.0
    best = max(tried, key=lambda c: -np.inf if np.isnan(tried[c]) else sign * tried[c])
    if losses is None or metric not in BY_ORDER:
        return best
    alike = [c for c, score in tried.items() if score >= tried[best] - ALIKE]
    return min(alike, key=lambda c: losses[c]) if alike else best


def _named(tried: dict[float, float]) -> dict[str, float | None]:
    """Scores by strength as JSON has them: text keys, None for undefined."""
    return {f"{c:g}": None if np.isnan(score) else score for c, score in tried.items()}
