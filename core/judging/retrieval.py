"""Judging what a bi-encoder finds for the test questions in the whole corpus, beside BM25 and itself untrained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.retrieval import (
    Judged as Rankings,
)
from medplug.core.evaluation.retrieval import (
    Relevance,
    judge,
    ranking_difference,
    score_rankings,
)
from medplug.core.evaluation.scores import Estimate, Groups, each_subgroup
from medplug.core.judging.judge import Judged, as_json, chosen, heading, parts_json
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.judging.twins import without_twins
from medplug.core.plan import Plan
from medplug.core.retrieval.bm25 import BM25
from medplug.core.retrieval.corpus import Corpus, Questions, pairs_of, relevance
from medplug.core.retrieval.retrieved import Retrieved, first_hits, same_for_all
from medplug.core.task import Examples
from medplug.core.training.job import Trained

How = Mapping[str, Any]


def judge_rankings(dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the rankings of the distinct test questions, with intervals, over all passages of all tables.

    All passages that any row names with a question are right for it. `difference` is from BM25;
    ``untrained`` and ``reranked`` have their own.
    """
    assert dataset.corpus is not None
    corpus, test = dataset.corpus, dataset.splits["test"]
    found: Retrieved = trained.findings["retrieved"]
    questions = distinct_questions(dataset, "test")
    right = right_passages(dataset, questions)
    depth = found.found["test"].rows.shape[1]
    model = judge(found.found["test"].rows, right)
    bm25_rows = BM25.fit(corpus.texts).top(questions.texts, depth).rows
    bm25 = judge(bm25_rows, right)
    constant = judge(same_for_all(_commonest(dataset, corpus), len(questions), depth).rows, right)
    asked = _of_questions(test, questions)
    how: How = {"groups": asked.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    scores: dict[str, Any] = {
        **heading(plan, dataset, len(questions)),
        "passages": len(corpus),
        "metrics": as_json(score_rankings(model, **how).metrics),
        "by_class": {},
        "by_group": _subgroups(asked, model, how),
        "baseline": {
            "majority": as_json(score_rankings(constant, **how).metrics),
            "bm25": as_json(score_rankings(bm25, **how).metrics),
        },
        "difference": as_json(ranking_difference(model, bm25, **how).metrics),
        "without_twins": without_twins(dataset.twins, test.groups, _without(model, questions, how)),
        "selection": chosen(plan, dataset, trained, metric),
    }
    if found.untrained is not None:
        scores["untrained"] = beside(judge(found.untrained.rows, right), model, how)
    if (reranked := found.reranked) is not None:
        again, _ = reranked.found["test"]
        told = {"first": reranked.first, "by": reranked.name}
        scores["reranked"] = told | beside(judge(again.rows, right), model, how, minus=True)
    hits = [first_hits(rows, right)[:, None].astype(np.float64) for rows in (found.found["test"].rows, bm25_rows)]
    notes = {"kind": "BM25 over the same passages"}
    return Judged(metric, scores, np.full(len(questions), depth), hits[0], hits[1], notes, row_numbers=asked.rows)


def distinct_questions(dataset: Dataset, split: str) -> Questions:
    """The distinct questions of a split, in the order of its rows."""
    return Questions.of_rows(dataset.splits[split].values)


def right_passages(
    dataset: Dataset, questions: Questions, splits: Sequence[str] = ("train", "validation", "test")
) -> Relevance:
    """Of each question the rows in the corpus of all passages that rows of these `splits` name with it."""
    assert dataset.corpus is not None
    pairs = [pair for split in splits for pair in pairs_of(dataset.splits[split].values)]
    return relevance(questions, pairs, dataset.corpus.texts)


def beside(other: Rankings, model: Rankings, how: How, *, minus: bool = False) -> dict[str, Any]:
    """Another ranking's metrics, and the model's minus these (`minus`: these minus the model's)."""
    pair = (other, model) if minus else (model, other)
    return {
        "metrics": as_json(score_rankings(other, **how).metrics),
        "difference": as_json(ranking_difference(*pair, **how).metrics),
    }


def some(judged: Rankings, rows: NDArray[np.int64]) -> Rankings:
    """The rankings of some questions."""
    return Rankings(judged.gains[rows], judged.ideal[rows], judged.relevant[rows])


def _commonest(dataset: Dataset, corpus: Corpus) -> list[int]:
    """All passages, those first that are right for most training rows."""
    times = Counter(corpus.rows[str(label)] for label in dataset.splits["train"].labels or [])
    return sorted(range(len(corpus)), key=lambda row: -times[row])


def _of_questions(test: Examples, questions: Questions) -> Examples:
    """The first row of each question: whose it is, and what it is told by."""
    return test.take(questions.first)


def _subgroups(asked: Examples, model: Rankings, how: How) -> dict[str, Any]:
    def scored(rows: NDArray[np.int64], members: Groups | None) -> dict[str, Estimate]:
        return score_rankings(some(model, rows), **{**how, "groups": members}).metrics

    columns = subgroups_of(asked).items()
    return {column: parts_json(each_subgroup(values, asked.groups, scored)) for column, values in columns}


def _without(model: Rankings, questions: Questions, how: How) -> Any:
    """The metrics of the questions whose first row is among some rows."""

    def scored(rows: NDArray[np.int64], groups: list[str] | None) -> dict[str, Estimate]:
        kept = np.flatnonzero(np.isin(questions.first, rows))
        owner = dict(zip(rows.tolist(), groups or [], strict=False))
        members = None if groups is None else [owner[row] for row in questions.first[kept].tolist()]
        return score_rankings(some(model, kept), **{**how, "groups": members}).metrics

    return scored
