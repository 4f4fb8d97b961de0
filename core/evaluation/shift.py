"""How far two sets of rows are apart: feature by feature, and by what a classifier tells of which a row is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from medplug.core.data.characteristics import Feature
from medplug.core.data.targets import Target
from medplug.core.evaluation.scores import Estimate, estimate

FEWEST = 20
"""Rows of each side; of fewer nothing is told."""
_FOLDS, _RESAMPLES = 5, 200
_NAMES = 20
_COLUMNS = 300
_SIDES = Target("binary", ("first", "second"))

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Apart:
    """One feature of two sets: `size` is what features are put in order by, 0 where the sets are alike.

    Of numbers `smd` is the difference of the means, second less first, over the root mean square of both standard
    deviations (Austin 2009), and `ks` the largest gap between the two distributions (Kolmogorov and Smirnov); of
    categories `tv` is the total variation, the share of rows that would have to change theirs, missing ones
    among them. `missing` are the shares of rows without it.
    """

    name: str
    size: float
    missing: tuple[float, float]
    smd: float | None = None
    ks: float | None = None
    tv: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        found = {"smd": self.smd, "ks": self.ks, "tv": self.tv}
        return {"name": self.name, "missing": list(self.missing)} | {k: v for k, v in found.items() if v is not None}


def apart(first: Feature, second: Feature) -> Apart:
    """How far one feature of two sets is apart."""
    absent = float(first.missing.mean()), float(second.missing.mean())
    gap = abs(absent[0] - absent[1])
    if first.numbers is None or second.numbers is None:
        tv = total_variation(first.names, second.names)
        return Apart(first.name, tv, absent, tv=tv)
    one, other = first.numbers[~first.missing], second.numbers[~second.missing]
    if not len(one) or not len(other):
        return Apart(first.name, gap, absent)
    ks = kolmogorov_smirnov(one, other)
    return Apart(first.name, max(ks, gap), absent, smd=standardised(one, other), ks=ks)


def standardised(first: Matrix, second: Matrix) -> float | None:
    """The standardised mean difference; None where neither varies and the means differ."""
    spread = float(np.sqrt((first.var() + second.var()) / 2))
    gap = float(second.mean() - first.mean())
    if spread > 0:
        return gap / spread
    return 0.0 if gap == 0 else None


def kolmogorov_smirnov(first: Matrix, second: Matrix) -> float:
    """The largest difference between the two empirical distributions, 0 to 1."""
    both = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(each), both, side="right") / len(each) for each in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def total_variation(first: Sequence[str | None], second: Sequence[str | None]) -> float:
    """Half the sum of the differences of the shares of all names, 0 to 1."""
    counts = Counter(first), Counter(second)
    return sum(abs(counts[0][n] / len(first) - counts[1][n] / len(second)) for n in counts[0] | counts[1]) / 2


def told_apart(
    first: Sequence[Feature],
    second: Sequence[Feature],
    *,
    groups: Sequence[str] | None = None,
    seed: int,
    more: Matrix | None = None,
) -> Estimate | None:
    """AUROC of a classifier that tells rows of the second set from those of the first: 0.5 where they are alike.

    Ridge regression on the features (categories as columns of their own) and on `more` ``[rows, columns]``, of the
    first set and then of the second, cross-validated by `groups` (one a row; None: by row), with a 95 %
    interval by the bootstrap over these. None with fewer than `FEWEST` rows on a side, or nothing to tell by.
    """
    sizes = [len(each[0].missing) if each else 0 for each in (first, second)]
    if min(sizes) < FEWEST:
        return None
    matrix = design(first, second, more)
    if not matrix.shape[1]:
        return None
    truth = np.repeat([0, 1], sizes)
    owners = np.asarray(groups if groups is not None else np.arange(len(truth)).astype(str))
    scores = _out_of_fold(matrix, truth, _folds(owners, seed))
    ranks = rankdata(scores) / len(scores)  # rows of equal scores share one: their order says where they stand
    both = np.stack([1 - ranks, ranks], axis=1)
    found = estimate(_SIDES, truth, both, ("auroc",), groups=groups, resamples=_RESAMPLES, seed=seed)
    return found["auroc"]


def design(first: Sequence[Feature], second: Sequence[Feature], more: Matrix | None = None) -> Matrix:
    """The features of both sets as standardised columns, those that do not vary left out, at most 300."""
    columns: list[NDArray[Any]] = []
    for one, other in zip(first, second, strict=True):
        missing = np.concatenate([one.missing, other.missing])
        columns.append(missing)
        if one.numbers is not None and other.numbers is not None:
            values = np.concatenate([one.numbers, other.numbers])
            known = values[~missing]
            columns.append(np.where(missing, np.median(known) if len(known) else 0.0, values))
        else:
            names = np.array([name or "" for name in (*one.names, *other.names)])
            common = Counter(names[~missing].tolist()).most_common(_NAMES)
            columns += [names == name for name, _ in common]
    blocks = [np.stack(columns, axis=1).astype(np.float64)] if columns else []
    matrix = np.hstack([*blocks, *([] if more is None else [more])])
    spread = matrix.std(axis=0)
    kept = np.flatnonzero(spread > 1e-9 * np.maximum(1.0, np.abs(matrix).max(axis=0)))[:_COLUMNS]
    scaled: Matrix = np.clip((matrix[:, kept] - matrix[:, kept].mean(axis=0)) / spread[kept], -5, 5)
    return scaled


def _folds(owners: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """The fold of each row, all rows of an owner in one."""
    _, members = np.unique(owners, return_inverse=True)
    order = np.random.default_rng(seed).permutation(int(members.max()) + 1)
    return np.asarray(order[members] % _FOLDS, dtype=np.int64)


def _out_of_fold(matrix: Matrix, truth: NDArray[np.int64], folds: NDArray[np.int64]) -> Matrix:
    """Each row's score by the ridge regression of the other folds, in which both sets weigh the same."""
    found = np.zeros(len(truth))
    for fold in range(_FOLDS):
        held, rest = folds == fold, folds != fold
        if not held.any() or len(set(truth[rest].tolist())) < 2:
            continue
        weights = np.where(truth[rest] == 1, 0.5 / (truth[rest] == 1).mean(), 0.5 / (truth[rest] == 0).mean())
        centre = np.average(matrix[rest], axis=0, weights=weights)
        x, y = matrix[rest] - centre, 2.0 * truth[rest] - 1.0
        penalty = (len(y) / 10 + x.shape[1]) * np.eye(x.shape[1])
        slope = np.linalg.solve((x * weights[:, None]).T @ x + penalty, (x * weights[:, None]).T @ y)
        found[held] = (matrix[held] - centre) @ slope
    return found
