"""How far sources lie from a target, by features alone; made to be compared between sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.data.bins import even_rows
from medplug.core.ranking.features import Matrix
from medplug.core.transfer.kernels import Ladder, squared_distances
from medplug.core.transfer.transferability import proxy_a_distance

ROWS = 1000
"""The most rows a table that distances are measured on."""
FOLDS = 5
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels of MMD, times the median distance between rows of the target: the same for every source."""

Score = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def a_distances(
    target: Matrix, sources: Mapping[str, Matrix], labels: Mapping[str, Sequence[Any] | None], seed: int
) -> list[float]:
    """The proxy A-distance of each source ``[rows, width]`` from the target, on equally many rows of every table.

    Equally many, because a classifier that has fewer rows to learn from tells
    less apart. `labels` say over what a source's rows are drawn evenly.
    """
    most = min(ROWS, len(target), *map(len, sources.values()))
    ours = target[even_rows(None, len(target), most, seed)]
    return [
        proxy_a_distance(theirs[even_rows(labels[name], len(theirs), most, seed)], ours, folds=FOLDS, seed=seed)
        for name, theirs in sources.items()
    ]


def mmd_on(target: Matrix, sources: Mapping[str, Matrix], seed: int) -> Score:
    """A function of row numbers of the target ``[any]``: minus each source's squared MMD from those rows.

    The unbiased estimate of `medplug.core.transfer.mmd`, which may fall below 0,
    with one set of bandwidths for all sources. The kernels are computed once,
    so that a subsample of the target costs next to nothing.
    """
    ours = torch.from_numpy(target).double()
    centre = ours.mean(0)
    ours = ours - centre
    ladder = Ladder.of([_median_distance(ours) * b for b in BANDWIDTHS])
    within, across = _kernel(ours, ours, ladder).fill_diagonal_(0.0), []
    own = []
    for features in sources.values():
        theirs = torch.from_numpy(features[even_rows(None, len(features), ROWS, seed)]).double() - centre
        own.append(_kernel(theirs, theirs, ladder).fill_diagonal_(0.0).sum() / (len(theirs) * (len(theirs) - 1)))
        across.append(_kernel(ours, theirs, ladder).mean(1))
    constant, witness = torch.stack(own), torch.stack(across)  # [sources], [sources, rows]

    def score(index: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = torch.from_numpy(index)
        mutual = within[rows][:, rows].sum() / (len(rows) * (len(rows) - 1))
        return -(constant + mutual - 2 * witness[:, rows].mean(1)).numpy()

    return score


def _kernel(x: Tensor, y: Tensor, ladder: Ladder) -> Tensor:
    """The mean of the kernels ``[n, m]`` between ``[n, width]`` and ``[m, width]``."""
    squares = squared_distances(x, y, x.square().sum(1), y.square().sum(1))
    return ladder.sums(squares, slopes=False)[0] / len(BANDWIDTHS)


def _median_distance(rows: Tensor) -> float:
    """1 where most rows are equal, and no distance says anything of scale."""
    return float(torch.pdist(rows).median()) or 1.0
