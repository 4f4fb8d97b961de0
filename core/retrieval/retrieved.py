"""What an encoder finds in a corpus, beside what others find there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.retrieval import Relevance
from medplug.core.retrieval.best import Ranked


@dataclass(frozen=True, slots=True)
class Reranked:
    """By split the rankings and the probabilities of their `first` ranks, ``[questions, first]``, by the run `name`."""

    first: int
    name: str
    found: dict[str, tuple[Ranked, NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The corpus's `vectors` ``[passages, width]``, and the rankings of each split's distinct questions by these.

    `untrained` are those of the test questions by the same encoder before it was trained; None where it was not.
    `reranked` are those of each split after a reranker read the first passages again; None without one.
    """

    vectors: NDArray[np.float32]
    found: dict[str, Ranked]
    untrained: Ranked | None = None
    reranked: Reranked | None = None


def same_for_all(order: Sequence[int], questions: int, depth: int) -> Ranked:
    """One ranking for every question: the first `depth` rows of `order`, the scores falling from 0."""
    rows = np.full(depth, -1, dtype=np.int64)
    rows[: len(order)] = order[:depth]
    scores = np.where(rows < 0, -np.inf, -np.arange(depth)).astype(np.float32)
    return Ranked(np.tile(rows, (questions, 1)), np.tile(scores, (questions, 1)))


def reordered(ranked: Ranked, scores: NDArray[np.float64]) -> tuple[Ranked, NDArray[np.float64]]:
    """The first ranks of each ranking by further `scores` ``[questions, first]``, and these in the new order.

    Equal ones stay as they stood, and so does what follows the first ranks. Each passage keeps its own score.
    """
    first = scores.shape[1]
    there = ranked.rows[:, :first] >= 0
    order = np.argsort(np.where(there, -scores, np.inf), axis=1, kind="stable")
    rows, own = (
        np.concatenate([np.take_along_axis(each[:, :first], order, axis=1), each[:, first:]], axis=1) for each in ranked
    )
    return Ranked(rows, own), np.take_along_axis(scores, order, axis=1)


def first_hits(rows: NDArray[np.int64], relevance: Relevance) -> NDArray[np.int64]:
    """The rank (from 1) of the first right passage of each question, 0 where its ranking has none."""
    ranks = np.zeros(len(rows), dtype=np.int64)
    for question, right in enumerate(relevance):
        hits = np.flatnonzero(np.isin(rows[question], list(right)))
        ranks[question] = hits[0] + 1 if len(hits) else 0
    return ranks
