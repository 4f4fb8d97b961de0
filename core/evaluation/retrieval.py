"""Metrics of rankings of passages: reciprocal rank, recall, nDCG and average precision, one value a query.

A metric is the mean over the queries, so that it goes through the bootstrap of `scores` as any
other, by query or by group of queries. A query for which nothing in the corpus is relevant has no value: it is
counted and left out of every mean.

Definitions: the reciprocal rank of Voorhees (The TREC-8 question answering track report, 1999); recall and
average precision as in Manning, Raghavan and Schütze (Introduction to information retrieval, 2008,
chapter 8); nDCG of Järvelin and Kekäläinen (2002) with a gain of the grade itself and a discount of log2(1 + rank).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError
from medplug.core.evaluation.scores import RESAMPLES, Estimate, Groups, estimates
from medplug.core.evaluation.statistic import mean_of

DEPTH = 10
"""Ranks that nDCG and the deeper recall look at."""

Values = NDArray[np.float64]
Relevance = Sequence[Mapping[int, float]]
"""For each query the grades of its relevant passages by their rows in the corpus (1.0 where there are no grades)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rankings and what is relevant.

    `gains` ``[queries, depth]`` are the grades of the passages at each rank, 0 where one is not relevant.
    `ideal` ``[queries, 10]`` are the highest grades of the whole corpus, and `relevant` ``[queries]`` is how
    many of its passages are relevant to each query.
    """

    gains: Values
    ideal: Values
    relevant: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RankingScores:
    """The metrics of `n` queries, and how many further ones had nothing relevant in the corpus."""

    n: int
    without_relevant: int
    metrics: dict[str, Estimate]


def judge(rows: NDArray[np.int64], relevance: Relevance) -> Judged:
    """Look up rankings, as `rows` ``[queries, depth]`` of the corpus, best first and -1 where nothing was found.

    Grades of 0 are not relevant. Raises DataError for rankings of fewer than 10 ranks, of
    other queries than `relevance`, that name a passage twice, or for grades that are
    negative or not finite.
    """
    _check(rows, relevance)
    graded = [{row: grade for row, grade in grades.items() if grade > 0} for grades in relevance]
    gains, ideal = np.zeros(rows.shape), np.zeros((len(graded), DEPTH))
    for query, grades in enumerate(graded):
        gains[query] = [grades.get(row, 0.0) for row in rows[query].tolist()]
        best = sorted(grades.values(), reverse=True)[:DEPTH]
        ideal[query, : len(best)] = best
    return Judged(gains, ideal, np.array([len(grades) for grades in graded], dtype=np.int64))


def _check(rows: NDArray[np.int64], relevance: Relevance) -> None:
    if rows.ndim != 2 or rows.shape[1] < DEPTH:
        raise DataError(f"rankings have shape {list(rows.shape)}; it must be [queries, {DEPTH} ranks or more]")
    if len(rows) != len(relevance):
        raise DataError(f"{len(rows)} rankings, but relevant passages of {len(relevance)} queries; give one a query")
    in_order = np.sort(rows, axis=1)
    again = int(((in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)).any(axis=1).sum())
    if again:
        raise DataError(f"{again} of {len(rows)} rankings name a passage twice; each has one rank")
    grades = np.array([grade for each in relevance for grade in each.values()], dtype=np.float64)
    if not (np.isfinite(grades).all() and (grades >= 0).all()):
        raise DataError("grades of relevance must be finite and 0 or more")


def mrr(judged: Judged) -> Values:
    """One over the rank of the first relevant passage ``[queries]``, 0 where the ranking has none."""
    hits = judged.gains > 0
    first = 1.0 / (1 + hits.argmax(axis=1))
    return _defined(judged, np.where(hits.any(axis=1), first, 0.0))


def recall_at(judged: Judged, k: int) -> Values:
    """The share of all relevant passages that are among the first `k` ``[queries]``.

    With one relevant passage it says whether that is there; of more than `k` not all can be.
    """
    return _defined(judged, (judged.gains[:, :k] > 0).sum(axis=1) / np.maximum(judged.relevant, 1))


def ndcg_at_10(judged: Judged) -> Values:
    """The discounted gain of the first ten, over that of the ten best of the corpus in order ``[queries]``."""
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = judged.ideal @ discount
    return _defined(judged, judged.gains[:, :DEPTH] @ discount / np.where(ideal > 0, ideal, 1.0))


def average_precision(judged: Judged) -> Values:
    """The precision at the rank of each relevant passage, its mean over all of them ``[queries]``.

    One that the ranking does not name adds 0: it should go as deep as the corpus, or far enough.
    """
    hits = judged.gains > 0
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _defined(judged, (precision * hits).sum(axis=1) / np.maximum(judged.relevant, 1))


METRICS: dict[str, Callable[[Judged], Values]] = {
    "mrr": mrr,
    "recall_at_1": lambda judged: recall_at(judged, 1),
    "recall_at_10": lambda judged: recall_at(judged, 10),
    "ndcg_at_10": ndcg_at_10,
    "map": average_precision,
}
"""By name; NaN for a query without relevant passages, and higher is better of all."""


def _defined(judged: Judged, values: Values) -> Values:
    return np.where(judged.relevant > 0, values, np.nan)


def score_rankings(
    judged: Judged, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> RankingScores:
    """Every metric with its 95 % interval over queries, or over whole `groups` (one a query, as a disease).

    Raises DataError where no query has a relevant passage.
    """
    return _scored(judged, {name: metric(judged) for name, metric in METRICS.items()}, groups, resamples, seed)


def ranking_difference(
    judged: Judged, baseline: Judged, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> RankingScores:
    """Every metric, `judged` minus `baseline`, both taken on the same resamples of the same queries."""
    if not np.array_equal(judged.relevant, baseline.relevant):
        raise DataError("the two rankings are not of the same queries and relevant passages; judge both alike")
    differences = {name: metric(judged) - metric(baseline) for name, metric in METRICS.items()}
    return _scored(judged, differences, groups, resamples, seed)


def _scored(
    judged: Judged, values: Mapping[str, Values], groups: Groups | None, resamples: int, seed: int
) -> RankingScores:
    queries = len(judged.relevant)
    if groups is not None and len(groups) != queries:
        raise DataError(f"{len(groups)} groups for {queries} queries; give one a query")
    kept = np.flatnonzero(judged.relevant)
    if not len(kept):
        raise DataError(f"none of {queries} queries has a relevant passage in the corpus; nothing can be scored")
    members = None if groups is None else np.asarray(groups)[kept]
    statistics = {name: mean_of(each[kept]) for name, each in values.items()}
    found = estimates(statistics, len(kept), members, resamples, seed)
    return RankingScores(len(kept), queries - len(kept), {name: each for name, (each,) in found.items()})
