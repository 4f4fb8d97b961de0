"""Judging the answers found in contexts, beside the first sentence (or none) and the one nearest the question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.found import NO_ANSWER, FoundSpans, choose_threshold
from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.answers import RowScores, estimate_rows, score_answers
from medplug.core.evaluation.reported import reported
from medplug.core.evaluation.scores import Estimate, Groups, each_subgroup
from medplug.core.judging.judge import Judged, as_json, chosen, parts_json, subgroups_of
from medplug.core.judging.twins import without_twins
from medplug.core.plain.sentences import NearestSentence, first_sentences
from medplug.core.plan import Plan
from medplug.core.task import Examples
from medplug.core.training.job import Trained

_KIND = "the sentence of the context with the highest TF-IDF cosine to the question"
WITH, WITHOUT = "with an answer", "without an answer"


def judge_spans(dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test answers with intervals, and two simple ways of answering the same rows.

    The baseline ``majority`` gives no answer where most training rows have none, else the
    first sentence; ``linear`` the sentence most like the question, or none below a
    cosine that validation rows set.
    """
    test, found = dataset.splits["test"], trained.findings["test"]
    how: dict[str, Any] = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    model, linear = row_scores(test, found), row_scores(test, _nearest(dataset))
    answered = answered_by(test)
    scores = {
        "task": plan.task.name,
        "split": "test",
        "n": len(test),
        "sample": dataset.facts.sample,
        **({"sample_is": dataset.facts.sample_is} if dataset.facts.sample else {}),
        "metrics": as_json(estimate_rows(model, **how)),
        "by_class": {},
        "by_group": {name: _parts(model, values, how) for name, values in subgroups_of(test).items()},
        "baseline": {
            "majority": as_json(estimate_rows(_majority(dataset), **how)),
            "linear": as_json(estimate_rows(linear, **how)),
        },
        "difference": as_json(estimate_rows({name: model[name] - linear[name] for name in model}, **how)),
        "without_twins": without_twins(
            dataset.twins, test.groups, lambda rows, groups: _of_rows(model, rows, {**how, "groups": groups})
        ),
        "selection": chosen(plan, dataset, trained, metric),
        "spans": {"by_answer": _parts(model, answered, how), **decided(test, found)},
    }
    has = np.array([name == WITH for name in answered])
    notes = {"kind": _KIND}
    return Judged(metric, scores, has, model[metric][:, None], linear[metric][:, None], notes)


def row_scores(examples: Examples, found: FoundSpans) -> RowScores:
    """Each metric of spans for every row."""
    return _scored(examples, found.texts([pair.context for pair in examples.values]))


def answered_by(examples: Examples) -> list[str]:
    """Whether each row's context has an answer, in words."""
    return [WITH if answers else WITHOUT for answers in examples.labels or []]


def decided(examples: Examples, found: FoundSpans) -> dict[str, Any]:
    """How many rows are given an answer, of those that have one and of the others; and from which odds on."""
    given, has = found.given, np.array([bool(answers) for answers in examples.labels or []], dtype=bool)
    return {
        "threshold": found.threshold if np.isfinite(found.threshold) else None,
        "given": {WITH: int((given & has).sum()), WITHOUT: int((given & ~has).sum())},
        "none_given": {WITH: int((~given & has).sum()), WITHOUT: int((~given & ~has).sum())},
    }


def _scored(examples: Examples, texts: list[str]) -> RowScores:
    right = [[text for text, _ in answers] for answers in examples.labels or []]
    return score_answers(texts, right, reported("span"))


def _majority(dataset: Dataset) -> RowScores:
    test = dataset.splits["test"]
    train = dataset.splits["train"].labels or []
    if 2 * sum(not answers for answers in train) > len(train):
        return _scored(test, [NO_ANSWER] * len(test))
    return row_scores(test, first_sentences(test.values))


def _nearest(dataset: Dataset) -> FoundSpans:
    """The sentences nearest the test questions, at the cosine above which it is best to give one to validation rows."""
    baseline = NearestSentence()
    baseline.fit(dataset.splits["train"].values)
    validation = dataset.splits["validation"]
    contexts = [pair.context for pair in validation.values]
    threshold = choose_threshold(baseline.find(validation.values), contexts, validation.labels or [])
    return replace(baseline.find(dataset.splits["test"].values), threshold=threshold)


def _parts(by_row: RowScores, values: list[str], how: dict[str, Any]) -> dict[str, Any]:
    def scored(rows: NDArray[np.int64], members: Groups | None) -> dict[str, Estimate]:
        return _of_rows(by_row, rows, {**how, "groups": members})

    return parts_json(each_subgroup(values, how["groups"], scored))


def _of_rows(by_row: RowScores, rows: NDArray[np.int64], how: dict[str, Any]) -> dict[str, Estimate]:
    return estimate_rows({name: values[rows] for name, values in by_row.items()}, **how)
