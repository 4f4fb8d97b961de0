"""Gradient-boosted trees: the baseline that tables have beside the linear one.

Histogram boosting as scikit-learn has it (after Ke et al. 2017, "LightGBM"),
which reads missing values and categories as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import best_of, majority, undisturbed
from medplug.core.evaluation.metrics import fallback
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.statistic import Labels, Probabilities, membership

RATES = (0.05, 0.15)
LEAVES = (4, 16)
ROUNDS = (25, 50, 100)
DEEP = (0.1,), (8, 64), (75, 150, 300, 600)
"""Rates, leaves and rounds for columns that tell little by themselves and much where they meet."""
MOST_ROWS = 100_000
"""Deep trees are grown on so many training rows at most, drawn at random: all of a million would take an hour."""
MOST_NUMBERS = 256
"""Of more numeric columns trees read those that go with the training labels most: all of them would take hours."""
_LEAST = 20  # rows a leaf, as scikit-learn has it; of few training rows a twentieth of them

Matrix = NDArray[np.float64]
Rounds = tuple[int, ...]


class Setting(NamedTuple):
    """How trees are grown: the share each adds, the most leaves of one, and how many there are."""

    rate: float
    leaves: int
    rounds: int


def boosted_trees(
    train: Matrix,
    train_labels: Labels,
    validation: Matrix,
    validation_labels: Labels,
    test: Matrix,
    target: Target,
    metric: str,
    seed: int,
    *,
    categorical: NDArray[np.bool_],
    deep: bool = False,
) -> tuple[Probabilities, dict[str, Any]]:
    """Grow trees on training rows, choose how on validation by `metric`, and predict the test rows.

    Matrices are ``[rows, columns]`` as `TreeTable` gives them, NaN where
    missing; `categorical` ``[columns]`` says which columns are codes. Labels are
    encoded. Gives probabilities ``[rows, classes]`` (of a number the predicted values
    ``[rows, 1]``) and notes: the setting, its validation score, and all that were
    tried. With `deep` trees have more leaves and there are more of them, as `DEEP` says, on
    `MOST_ROWS` rows at most. Of wide tables `MOST_NUMBERS` numeric columns are read, those of the
    strongest correlation with the training labels. A class that training never saw has probability 0; a label of a
    single value in training its prior by Laplace's rule of succession. Where no
    column varies in training the majority is predicted. Where
    `metric` is undefined at all settings log loss (of a number: mse) chooses.

    Raises DataError where training or validation has no rows.
    """
    if not len(train_labels) or not len(validation_labels):
        raise DataError("boosted trees need training rows to grow on and validation rows to choose their setting by")
    (train, validation, test), categorical = _readable((train, validation, test), categorical)
    if not train.shape[1]:
        return majority(train_labels, target, len(test)), {"rounds": 0, "why": "no column varies in training"}
    read = _most_telling(train, train_labels, target, categorical)
    train, validation, test, categorical = train[:, read], validation[:, read], test[:, read], categorical[read]
    train, train_labels, thinned = _thinned(train, train_labels, seed) if deep else (train, train_labels, {})
    rates, sizes, stages = _deep(len(train)) if deep else (RATES, LEAVES, ROUNDS)
    tried: dict[Setting, Probabilities] = {}
    predicted: dict[Setting, Probabilities] = {}
    others = np.concatenate([validation, test])
    for rate, leaves in product(rates, sizes):
        model = {"learning_rate": rate, "max_leaf_nodes": leaves, **_model(train, categorical, seed)}
        with undisturbed(train):
            for rounds, values in _grown(model, stages, train, train_labels, others, target):
                setting = Setting(rate, leaves, rounds)
                tried[setting], predicted[setting] = np.split(values, [len(validation)])
    metric, scores = _scores(tried, validation_labels, target, metric)
    best = best_of(scores, metric)
    shown = {" ".join(f"{part:g}" for part in setting): _defined(score) for setting, score in scores.items()}
    notes = {
        "learning rate": best.rate,
        "leaves": best.leaves,
        "rounds": best.rounds,
        "validation": {metric: _defined(scores[best])},
        "tried": shown,
        **thinned,
    }
    return predicted[best], notes


def _deep(rows: int) -> tuple[tuple[float, ...], tuple[int, ...], Rounds]:
    """`DEEP` for so many training rows: few of them are learned by heart long before the last round."""
    rates, leaves, rounds = DEEP
    return rates, leaves, tuple(each for each in rounds if each <= max(rows // 4, rounds[0]))


def _thinned(train: Matrix, labels: Labels, seed: int) -> tuple[Matrix, Labels, dict[str, int]]:
    """The training rows, some of them where they are too many, and a note of how many then."""
    if len(train) <= MOST_ROWS:
        return train, labels, {}
    rows = np.sort(np.random.default_rng(seed).choice(len(train), MOST_ROWS, replace=False))
    return train[rows], labels[rows], {"training rows": MOST_ROWS}


def _readable(
    matrices: tuple[Matrix, Matrix, Matrix], categorical: NDArray[np.bool_]
) -> tuple[tuple[Matrix, ...], NDArray[np.bool_]]:
    """The columns that vary in training, the first of `matrices`: trees cannot cut others.

    One of a single value that is missing in some rows becomes what tells these apart.
    """
    train = matrices[0]
    present = ~np.isnan(train)
    least, most = (np.where(present, train, edge) for edge in (np.inf, -np.inf))
    flat = ~(most.max(axis=0) > least.min(axis=0))
    gaps = flat & present.any(axis=0) & ~present.all(axis=0)
    read = np.flatnonzero(~flat | gaps)
    found = tuple(np.where(gaps, np.isnan(each), each)[:, read] for each in matrices)
    return found, (categorical & ~gaps)[read]


def _most_telling(train: Matrix, labels: Labels, target: Target, categorical: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The columns to read: all codes, and the numbers of the largest correlation with any class (or the number)."""
    numeric = np.flatnonzero(~categorical)
    if len(numeric) <= MOST_NUMBERS:
        return np.arange(len(categorical))
    truth = labels[:, None] if target.kind == "regression" else membership(target, labels)
    numbers = _scaled(train[:, numeric])
    likeness = np.abs(numbers.T @ (truth - truth.mean(axis=0)) / np.maximum(truth.std(axis=0), 1e-12)).max(axis=1)
    kept = numeric[np.argsort(-likeness, kind="stable")[:MOST_NUMBERS]]
    return np.sort(np.concatenate([kept, np.flatnonzero(categorical)]))


def _scaled(numbers: Matrix) -> Matrix:
    """Columns of mean 0 and deviation 1 (or 0 throughout), 0 where missing."""
    present = ~np.isnan(numbers)
    count = np.maximum(present.sum(axis=0), 1)
    gap = np.where(present, numbers - np.where(present, numbers, 0.0).sum(axis=0) / count, 0.0)
    length = np.sqrt(np.square(gap).sum(axis=0))
    scaled: Matrix = np.divide(gap, length, out=np.zeros_like(gap), where=length > 0)
    return scaled


def _model(train: Matrix, categorical: NDArray[np.bool_], seed: int) -> dict[str, Any]:
    """The arguments that all settings share."""
    return {
        "min_samples_leaf": max(1, min(_LEAST, len(train) // _LEAST)),
        "categorical_features": categorical if categorical.any() else None,
        "early_stopping": False,
        "random_state": seed,
    }


def _grown(
    model: Mapping[str, Any], stages: Rounds, train: Matrix, labels: Labels, others: Matrix, target: Target
) -> Iterator[tuple[int, Probabilities]]:
    """What the first trees predict for `others` ``[rows, classes]``, after each number of rounds in `stages`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = {**model, "max_iter": max(stages)}
    if target.kind == "regression":
        fitted = HistGradientBoostingRegressor(**model).fit(train, labels)
        yield from ((rounds, values[:, None]) for rounds, values in _staged(fitted.staged_predict(others), stages))
    elif target.kind == "multilabel":
        yield from _grown_by_label(model, stages, train, labels, others)
    else:
        seen = np.unique(labels)
        constant = majority(labels, target, len(others))
        if len(seen) == 1:
            yield from ((rounds, constant) for rounds in stages)
            return
        fitted = HistGradientBoostingClassifier(**model).fit(train, labels)
        for rounds, values in _staged(fitted.staged_predict_proba(others), stages):
            probabilities = np.zeros_like(constant)
            probabilities[:, seen] = values
            yield rounds, probabilities


def _grown_by_label(
    model: Mapping[str, Any], stages: Rounds, train: Matrix, labels: Labels, others: Matrix
) -> Iterator[tuple[int, Probabilities]]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    found = {rounds: np.zeros((len(others), labels.shape[1])) for rounds in stages}
    for c in range(labels.shape[1]):
        present = int(labels[:, c].sum())
        if present in (0, len(labels)):
            for values in found.values():
                values[:, c] = (present + 1) / (len(labels) + 2)
            continue
        fitted = HistGradientBoostingClassifier(**model).fit(train, labels[:, c])
        for rounds, values in _staged(fitted.staged_predict_proba(others), stages):
            found[rounds][:, c] = values[:, 1]
    yield from found.items()


def _staged(predicted: Iterator[NDArray[np.float64]], stages: Rounds) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """What was predicted after each number of rounds in `stages`."""
    yield from ((rounds, values) for rounds, values in enumerate(predicted, 1) if rounds in stages)


def _scores(
    tried: Mapping[Setting, Probabilities], labels: Labels, target: Target, metric: str
) -> tuple[str, dict[Setting, float]]:
    """The metric to choose by and its value at each setting."""
    scores = {setting: point(target, labels, each, metric) for setting, each in tried.items()}
    if all(np.isnan(score) for score in scores.values()):
        metric = fallback(target.kind)
        scores = {setting: point(target, labels, each, metric) for setting, each in tried.items()}
    return metric, scores


def _defined(score: float) -> float | None:
    """A score as JSON has it: None for undefined."""
    return None if np.isnan(score) else score
