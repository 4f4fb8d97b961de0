"""Judging the answers found in contexts, beside the first sentence (or none) and the one nearest the question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from medplug.core.answers.found import NO_ANSWER, FoundSpans, choose_threshold, score_texts
from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.answers import RowScores
from medplug.core.judging.judge import Judged
from medplug.core.judging.row_scores import RowsJudged
from medplug.core.plain.sentences import NearestSentence, first_sentences
from medplug.core.plan import Plan
from medplug.core.task import Examples
from medplug.core.training.job import Trained

_KIND = "the sentence of the context with the highest TF-IDF cosine to the question"
WITH, WITHOUT = "with an answer", "without an answer"


def judge_spans(dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test answers with intervals, and two simple ways of answering the same rows.

    The baseline ``majority`` gives no answer where most training rows have none, else the
    first sentence; ``sentence`` the one most like the question, or none below a
    cosine that validation rows set.
    """
    test, found = dataset.splits["test"], trained.findings["test"]
    model, nearest = row_scores(test, found), row_scores(test, _nearest(dataset))
    answered = answered_by(test)
    judged = RowsJudged(model, dataset, plan)
    baselines = {"majority": _majority(dataset), "sentence": nearest}
    scores = {
        **judged.scores(baselines, against="sentence", trained=trained, metric=metric),
        "spans": {"by_answer": judged.parts(answered), **decided(test, found)},
    }
    has = np.array([name == WITH for name in answered])
    notes = {"kind": _KIND}
    return Judged(metric, scores, has, model[metric][:, None], nearest[metric][:, None], notes)


def row_scores(examples: Examples, found: FoundSpans) -> RowScores:
    """Each metric of spans for every row."""
    return found.scores([pair.context for pair in examples.values], examples.labels or [])


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


def _majority(dataset: Dataset) -> RowScores:
    test = dataset.splits["test"]
    train = dataset.splits["train"].labels or []
    if 2 * sum(not answers for answers in train) > len(train):
        return score_texts([NO_ANSWER] * len(test), test.labels or [])
    return row_scores(test, first_sentences(test.values))


def _nearest(dataset: Dataset) -> FoundSpans:
    """The sentences nearest the test questions, at the cosine above which it is best to give one to validation rows."""
    baseline = NearestSentence()
    baseline.fit(dataset.splits["train"].values)
    validation = dataset.splits["validation"]
    contexts = [pair.context for pair in validation.values]
    threshold = choose_threshold(baseline.find(validation.values), contexts, validation.labels or [])
    return replace(baseline.find(dataset.splits["test"].values), threshold=threshold)
