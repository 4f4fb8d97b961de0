"""Targets of spans: where in a context the answer to a question stands, or that it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.answers.found import FoundSpans
from medplug.core.asking.answer import Answer, Passage
from medplug.core.backbone import Backbone
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.abstention import Certainty
from medplug.core.evaluation.answers import estimate_rows
from medplug.core.frames.spans import answer_frame, scored_frame
from medplug.core.judging.judge import Judged
from medplug.core.judging.spans import decided, judge_spans, row_scores
from medplug.core.kinds.kind import How, Learned, refuse_also
from medplug.core.model import Model
from medplug.core.plain.sentences import sentences
from medplug.core.plan import Plan
from medplug.core.span_model import SpanModel
from medplug.core.task import Examples, Task
from medplug.core.training.compute import Report
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner
from medplug.core.training.span_learner import span_learner
from medplug.core.training.span_search import find_spans

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor


class Spans(Learned):
    """Answers that are spans of contexts."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """Logits of start and end for every token."""
        refuse_also(also, "spans")
        return SpanModel(backbone, target)

    def learner(self, model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
        """Windows of contexts; of a frozen backbone the features of their tokens."""
        assert isinstance(model, SpanModel)
        return span_learner(model, job, frozen)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside the first sentence, or none, and the sentence nearest the question."""
        return judge_spans(dataset, trained, plan, metric)

    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """Where each row's right answers and the predicted one stand, and how well it scores."""
        examples, found = dataset.splits[split], trained.findings[split]
        return scored_frame(split, examples, found, row_scores(examples, found))

    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """The answer of each row with its place in the context, null where none is given."""
        return answer_frame(columns, _contexts(examples), _found(predictor, examples, report))

    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Exact match and token F1, and how many rows are given an answer."""
        found = _found(predictor, examples, report)
        metrics = estimate_rows(row_scores(examples, found), **groups_and_draws)
        return {"metrics": metrics, "spans": decided(examples, found)}

    def certainties(self, dataset: Dataset, trained: Trained, split: str) -> list[Certainty]:
        """The chance of what is said, an answer or none; it is right where it matches exactly."""
        found = trained.findings[split]
        right = row_scores(dataset.splits[split], found)["exact_match"] == 1
        return [Certainty(*each) for each in zip(found.certainty.tolist(), right.tolist(), strict=True)]

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The answer, or that there is none, and the sentences of the context that it stands in."""
        found, (context,) = _found(predictor, examples, lambda done, total: None), _contexts(examples)
        (text,), score = found.texts([context]), float(found.certainty[0])
        start, end = int(found.start[0]), int(found.end[0])
        around = [(first, last) for first, last in sentences(context) if first < end and start < last]
        told = context[around[0][0] : around[-1][1]] if text and around else ""
        passages = (Passage("context", told),) if told else ()
        return Answer(text or None, score, predictor.certain_from, passages)


def _contexts(examples: Examples) -> list[str]:
    return [pair.context for pair in examples.values]


def _found(predictor: Predictor, examples: Examples, report: Report) -> FoundSpans:
    model = predictor.model
    assert isinstance(model, SpanModel)
    items = model.backbone.prepare(examples.values)
    return find_spans(model, items, _contexts(examples), predictor.compute, report)
