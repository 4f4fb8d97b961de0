"""Whether the data support a ranking of candidates: how it holds when half of the rows are left out.

Subsamples without replacement stand in for bootstrap resamples, because scores
that fit something to the rows (LogME, cross-validated accuracy) take a row that
is drawn twice for evidence: repeats make a fit look better, and more so for
wide features, which would move the ranking itself. Half of the rows is the size
at which a mean varies over subsamples exactly as much as over samples of the
whole (McCarthy, 1969; the delete-d jackknife of Shao and Wu, 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from medplug.core.errors import DataError, UsageError

WELL_SUPPORTED = 0.95
"""The share of resamples that the leader must be first in."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate: its score on all rows with a 95 % interval, its mean rank (1 is best), and how often it is first."""

    name: str
    score: float
    low: float
    high: float
    mean_rank: float
    first_share: float


def rank_candidates(
    names: Sequence[str],
    score: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    rows: int,
    *,
    resamples: int = 200,
    seed: int,
    groups: Sequence[str] | NDArray[Any] | None = None,
) -> list[Ranked]:
    """The candidates, best first, with what half-samples of the rows say of their order.

    `score` takes row numbers ``[any]``, sorted and without repeats, and gives a
    score for each candidate ``[candidates]``, greater being better. With
    `groups` (one a row) whole groups are drawn. Few rows score lower than many,
    so the resampled scores of each candidate are moved to have its score on all
    rows as their mean; where the count is odd and the half is rounded up, they
    are spread to make up for it. Equal scores share a rank and the first place.
    A resample in which a score is NaN is left out.

    Raises DataError for fewer than two rows or groups, not one group a row, or
    a score that is NaN on all rows or on all resamples but one, and UsageError
    for no names, scores of another shape, or fewer than two resamples.
    """
    if not names or resamples < 2:
        raise UsageError(f"a ranking needs candidates and at least 2 resamples; got {len(names)} and {resamples}")
    full = _scores(score, np.arange(rows), names)
    if np.isnan(full).any():
        raise DataError(f"{names[int(np.isnan(full).argmax())]} has no score on all {rows} rows; it cannot be ranked")
    members = _members(rows, groups)
    drawn = np.array([_scores(score, index, names) for index in _halves(members, resamples, seed)])
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if len(drawn) < 2:
        raise DataError(f"a score was undefined in {resamples - len(drawn)} of {resamples} resamples: too few rows")
    around = full + (drawn - drawn.mean(axis=0)) * _spread(int(members.max()) + 1)
    low, high = np.percentile(around, [2.5, 97.5], axis=0)
    ranks = rankdata(-around, axis=1).mean(axis=0)
    first = around == around.max(axis=1, keepdims=True)
    shares = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    columns = (column.tolist() for column in (full, low, high, ranks, shares))
    ranked = [Ranked(*each) for each in zip(names, *columns, strict=True)]
    return sorted(ranked, key=lambda each: each.score, reverse=True)


def support(ranked: Sequence[Ranked]) -> str:
    """One sentence on the first of `ranked`: well supported where it is first in 95 % of the resamples or more.

    UsageError where nothing is ranked.
    """
    if not ranked:
        raise UsageError("there is nothing ranked to speak of; rank at least one candidate")
    leader, *others = ranked
    if not others:
        return f"{leader.name} is the only candidate"
    if leader.first_share >= WELL_SUPPORTED:
        return f"{leader.name} leads in {_percent(leader.first_share)} of the resamples: well supported"
    rival = max(others, key=lambda each: each.first_share)
    ours, theirs = _percent(leader.first_share), _percent(rival.first_share)
    return f"not supported: {leader.name} leads in only {ours} of the resamples, and {rival.name} in {theirs}"


def _scores(
    score: Callable[[NDArray[np.int64]], NDArray[np.float64]], index: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.float64]:
    values = np.asarray(score(index), dtype=np.float64)
    if values.shape != (len(names),):
        raise UsageError(f"score must give [candidates], {len(names)} of them; got shape {list(values.shape)}")
    return values


def _members(rows: int, groups: Sequence[str] | NDArray[Any] | None) -> NDArray[np.int64]:
    """The unit number of each row, numbered as they appear, so that renaming patients does not change what is drawn."""
    units = range(rows) if groups is None else np.asarray(groups).tolist()
    if len(units) != rows:
        raise DataError(f"{len(units)} groups for {rows} rows; give one group a row")
    number = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    if len(number) < 2:
        raise DataError(f"a ranking needs at least 2 {'rows' if groups is None else 'groups'}; got {len(number)}")
    return np.array([number[unit] for unit in units], dtype=np.int64)


def _halves(members: NDArray[np.int64], resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The row numbers of half of the units, rounded up, drawn anew for each resample."""
    generator, units = np.random.default_rng(seed), int(members.max()) + 1
    for _ in range(resamples):
        drawn = generator.permutation(units) < _half(units)
        yield np.flatnonzero(drawn[members])


def _half(units: int) -> int:
    return (units + 1) // 2


def _spread(units: int) -> float:
    """What a deviation of a half-sample's mean is multiplied by to have the variance of the whole sample's."""
    return float(np.sqrt(_half(units) / (units - _half(units))))


def _percent(share: float) -> str:
    """Whole per cents, rounded down: what is not quite supported never reads as if it were."""
    return f"{int(100 * share + 1e-9)} %"
