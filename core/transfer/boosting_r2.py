"""Two-stage TrAdaBoost.R2: first the source loses weight step by step, then boosting on the target begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.transfer.boosting import Fit, Model, Values, joined, predicted, round_beta
from medplug.core.transfer.rows import Rows, Weights


@dataclass(frozen=True, slots=True)
class BoostedRegression:
    """What `two_stage_tradaboost_r2` found: the models of the step chosen, `step`, with their `betas` ``[models]``.

    `errors` ``[steps]`` is each step's mean squared error on held-out target
    rows; `weights_by_step` ``[steps, n + m]`` the weights that it started
    with, the source's first, summing to one.
    """

    models: tuple[Model, ...]
    betas: Weights
    step: int
    errors: NDArray[np.float64]
    weights_by_step: NDArray[np.float64]

    def predict(self, features: Rows) -> NDArray[np.float64]:
        """The models' median for each row ``[rows]``, each model weighing ``log(1 / beta)``."""
        return _weighted_median(self.models, self.betas, features)


def two_stage_tradaboost_r2(
    fit: Fit,
    source: Rows,
    source_targets: Values,
    target: Rows,
    target_targets: Values,
    *,
    steps: int = 10,
    rounds: int = 10,
    folds: int = 5,
    seed: int,
) -> BoostedRegression:
    """Two-stage TrAdaBoost.R2, for numbers: first how much the source should weigh, then boosting on the target.

    `source` ``[n, width]`` and `target` ``[m, width]`` have numbers ``[n]`` and
    ``[m]``. In `steps` even steps the target's share of the weight rises from m
    / (n + m) to 1, the source rows of the largest error losing theirs first. At
    each step AdaBoost.R2 runs for up to `rounds` rounds with the source's
    weights frozen, on all target rows but one of `folds`, drawn by `seed`; the
    step of the least squared error on these gives the models, fitted to all.
    As published, a step's weights of the source come from all target rows, held
    out or not. A round with an error of one half or more ends the boosting, and
    does not count unless it is the first; one without error ends it too and
    counts. Calls `fit` up to ``steps * (1 + folds * rounds) + rounds`` times,
    with weights of mean one. ValueError on wrong shapes.

    Pardoe and Stone, Boosting for Regression Transfer (2010); Drucker,
    Improving Regressors Using Boosting Techniques (1997).
    """
    features, numbers = joined(source, source_targets, target, target_targets)
    n, m = len(source), len(target)
    if steps < 2 or rounds < 1 or not 2 <= folds <= m:
        wanted = f"steps >= 2, rounds >= 1 and folds from 2 to {m}, the target's rows"
        raise ValueError(f"two_stage_tradaboost_r2 needs {wanted}; got {steps}, {rounds} and {folds}")
    fold = np.random.default_rng(seed).permutation(m) % folds
    history = np.array(list(_source_steps(fit, features, numbers, n, steps)))
    errors = np.array([_held_out_error(fit, features, numbers, weights, fold, rounds) for weights in history])
    step = int(errors.argmin())
    models, betas = _boosted_r2(fit, features, numbers, history[step], n, rounds)
    return BoostedRegression(models, betas, step, errors, history)


def _source_steps(fit: Fit, features: Rows, numbers: Values, n: int, steps: int) -> Iterator[Weights]:
    """Each step's weights ``[n + m]``: the target's sum rises evenly to one."""
    weights = np.full(len(numbers), 1 / len(numbers))
    yield weights
    first = weights[n:].sum()
    for step in range(1, steps):
        loss = _loss(fit(features, numbers, weights * len(numbers)), features, numbers, weights)
        source_share = (1 - first) * (1 - step / (steps - 1))
        shrunk = _shrunk(weights[:n], loss[:n], source_share / (1 - source_share) * weights[n:].sum())
        weights = np.concatenate([shrunk, weights[n:]])
        weights /= weights.sum()
        yield weights


def _shrunk(weights: Weights, loss: Weights, total: float) -> Weights:
    """The weights times ``beta^loss``, with the beta that makes them sum to `total`, which is less than they do.

    Rows of no loss keep theirs under any beta: where they alone weigh more
    than `total`, all are scaled to it.
    """
    if total <= 0:
        return np.zeros_like(weights)
    low, high = 0.0, 1e6  # -log(beta): a beta near zero has no digits left for small losses
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if weights @ np.exp(-middle * loss) > total else (low, middle)
    shrunk: Weights = weights * np.exp(-low * loss)
    shrunk *= total / shrunk.sum()
    return shrunk


def _held_out_error(
    fit: Fit, features: Rows, numbers: Values, weights: Weights, fold: NDArray[np.intp], rounds: int
) -> float:
    n = len(numbers) - len(fold)
    squares = np.empty(len(fold))
    for number in range(fold.max() + 1):
        held = fold == number
        kept = np.concatenate([np.ones(n, bool), ~held])
        some = weights[kept]
        some[n:] *= weights[n:].sum() / some[n:].sum()  # fewer target rows weigh as much as all
        models, betas = _boosted_r2(fit, features[kept], numbers[kept], some, n, rounds)
        squares[held] = (_weighted_median(models, betas, features[n:][held]) - numbers[n:][held]) ** 2
    return float(squares.mean())


def _boosted_r2(
    fit: Fit, features: Rows, numbers: Values, weights: Weights, n: int, rounds: int
) -> tuple[tuple[Model, ...], Weights]:
    """AdaBoost.R2 in which the first `n` rows keep their weights, which sum to one with the others'."""
    share = weights[n:].sum()
    models: list[Model] = []
    betas: list[float] = []
    for _ in range(rounds):
        model = fit(features, numbers, weights * len(numbers))
        loss = _loss(model, features, numbers, weights)
        error = float(weights @ loss)
        if error >= 0.5 and models:
            break
        models.append(model)
        betas.append(round_beta(error))
        if not 0 < error < 0.5:
            break
        after = weights[n:] * betas[-1] ** (1 - loss[n:])
        weights = np.concatenate([weights[:n], after * (share / after.sum())])
    return tuple(models), np.array(betas)


def _loss(model: Model, features: Rows, numbers: Values, weights: Weights) -> Weights:
    """Each row's absolute error over the largest of the rows that have a weight; at most one."""
    errors = np.abs(predicted(model, features) - numbers).astype(np.float64)
    largest = errors[weights > 0].max()
    loss: Weights = np.minimum(errors / largest, 1) if largest > 0 else np.sign(errors)
    return loss


def _weighted_median(models: tuple[Model, ...], betas: Weights, features: Rows) -> NDArray[np.float64]:
    """The lowest prediction at or below which half of the models' weight lies."""
    values = np.stack([predicted(model, features) for model in models], axis=1).astype(np.float64)
    order = values.argsort(1, kind="stable")
    below = (-np.log(betas))[order].cumsum(1)
    middle = (below >= below[:, -1:] / 2).argmax(1)
    median: NDArray[np.float64] = values[np.arange(len(features)), order[np.arange(len(features)), middle]]
    return median
