"""Shapley values: a prediction's distance from what is usual, shared out among the parts of its input.

A game says what a model predicts where a coalition of parts (columns, modalities) is the
row's own and the others come from another row, of the `background`. A part's value is the mean
of what it adds over all orders in which the parts can come (Shapley, 1953), and the values
sum to the row's prediction less the mean prediction of the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

Coalitions = NDArray[np.bool_]
"""``[asked, players]``: True where a part is the row's own."""
Places = NDArray[np.int64]
"""``[asked]``: the row of the background that each coalition lacks its other parts from."""
Values = NDArray[np.float64]
Game = Callable[[Coalitions, Places], Values]
"""Predictions ``[asked]``."""

_AT_ONCE = 4096  # predictions asked for in one call, so that wide rows do not fill the memory
_PAIRS = 32  # walked there and back: more tell little more
_MOST_EXACT = 6  # players whose coalitions are all asked for


@dataclass(frozen=True, slots=True)
class Shares:
    """The `values` ``[players]`` of one prediction, and how sure they are.

    `errors` ``[players]`` are standard errors of sampling, 0 where every order was taken.
    `usual` is the mean prediction of the whole background, `predicted` that of the row.
    """

    values: Values
    errors: Values
    usual: float
    predicted: float


def shares(game: Game, players: int, background: int, *, asked: int, seed: int = 0) -> Shares:
    """The Shapley values of so many `players`, against so many rows of `background`.

    Few players are taken in every order. Of many, random orders are walked, each there and back
    (antithetic walks halve the variance or better: Mitchell et al., 2022), and each from another
    row of the background: Štrumbelj and Kononenko, 2014, whose estimate is unbiased. About `asked`
    predictions are asked for, and more only where two walks a player need them. The background may be
    thinned to fit, evenly, so that the values sum to the whole difference but for sampling.
    """
    usual = float(_asked(game, np.zeros((background, players), dtype=np.bool_), np.arange(background)).mean())
    predicted = float(game(np.ones((1, players), dtype=np.bool_), np.zeros(1, dtype=np.int64))[0])
    if players <= _MOST_EXACT:
        return Shares(_exact(game, players, background), np.zeros(players), usual, predicted)
    pairs = max(2, min(asked // (2 * (players + 1)), max(4 * background, _PAIRS)))
    pairs -= pairs % background if pairs > background else 0  # each row of it equally often: the sum is whole
    values, errors = _walked(game, players, background, pairs, seed)
    return Shares(values, errors, usual, predicted)


def _exact(game: Game, players: int, background: int) -> Values:
    """Every coalition, against every row of the background."""
    coalitions = np.arange(2**players)[:, None] >> np.arange(players) & 1 == 1  # [coalitions, players]
    found = _asked(game, np.repeat(coalitions, background, axis=0), np.tile(np.arange(background), 2**players))
    worth = found.reshape(2**players, background).mean(axis=1)
    others = coalitions.sum(axis=1)[:, None] - coalitions
    weights = np.array([factorial(size) * factorial(players - size - 1) for size in range(players)]) / factorial(
        players
    )
    return np.asarray((np.where(coalitions, 1.0, -1.0) * weights[others] * worth[:, None]).sum(axis=0))


def _walked(game: Game, players: int, background: int, pairs: int, seed: int) -> tuple[Values, Values]:
    """The means over pairs of walks, and the standard errors of these."""
    random = np.random.default_rng(seed)
    orders = np.stack([random.permutation(players) for _ in range(pairs)])
    orders = np.stack([orders, orders[:, ::-1]], axis=1).reshape(2 * pairs, players)
    places = np.resize(random.permutation(background), pairs).repeat(2)
    ranks = orders.argsort(axis=1)  # when each player comes
    taken = ranks[:, None, :] < np.arange(players + 1)[None, :, None]  # [walks, steps, players]
    found = _asked(game, taken.reshape(-1, players), places.repeat(players + 1)).reshape(2 * pairs, players + 1)
    added = np.take_along_axis(np.diff(found, axis=1), ranks, axis=1).reshape(pairs, 2, players).mean(axis=1)
    return added.mean(axis=0), added.std(axis=0, ddof=1) / np.sqrt(pairs)


def _asked(game: Game, coalitions: Coalitions, places: Places) -> Values:
    """The game's answers, some at a time."""
    starts = range(0, len(coalitions), _AT_ONCE)
    return np.concatenate([game(coalitions[i : i + _AT_ONCE], places[i : i + _AT_ONCE]) for i in starts])
