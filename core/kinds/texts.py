"""Targets that are texts: answers that a generator writes from a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.answers.questions import Pair
from medplug.core.backbone import Backbone
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.abstention import Certainty
from medplug.core.evaluation.answers import estimate_answers, token_f1
from medplug.core.frames.texts import answers_frame, judged_answers_frame
from medplug.core.generation.model import TextModel
from medplug.core.generation.passages import Found
from medplug.core.generation.writing import Answered, write
from medplug.core.judging.answers import RIGHT, judge_answers
from medplug.core.judging.judge import Judged
from medplug.core.kinds.kind import How, Learned, refuse_also
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.task import Examples, Task
from medplug.core.training.compute import Report
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner
from medplug.core.training.text_learner import text_learner

if TYPE_CHECKING:
    from pathlib import Path

    from medplug.core.asking.answer import Answer
    from medplug.core.predictor import Predictor


class Texts(Learned):
    """Answers in the model's own words, each with the passages that it was given."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """A generator, without a head."""
        refuse_also(also, "written answers")
        return TextModel(backbone, target)

    def learner(self, model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
        """Prompts with their right answers."""
        return text_learner(model, job, frozen)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside the commonest answer of training, and that of the nearest question."""
        return judge_answers(task, dataset, trained, plan, metric)

    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """Each row's answer, its scores and the ids of its passages."""
        return judged_answers_frame(split, dataset.splits[split], trained.findings[split].written)

    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """The answers, their scores, and the ids of the passages that each was written from."""
        return answers_frame(columns, _written(predictor, examples.values, report)[0])

    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """How near the answers are to the right ones."""
        written, _ = _written(predictor, examples.values, report)
        truth = [[answer] for answer in examples.labels or []]
        names = predictor.task.metrics(predictor.target)
        return {"metrics": estimate_answers([each.text for each in written], truth, names, **groups_and_draws)}

    def certainties(self, dataset: Dataset, trained: Trained, split: str) -> list[Certainty]:
        """How likely the model found its own words; right is an answer that shares half of its words or more."""
        truth = dataset.splits[split].labels or []
        written = trained.findings[split].written
        return [Certainty(e.score, token_f1(e.text, right) >= RIGHT) for e, right in zip(written, truth, strict=True)]

    def keep(self, folder: Path, predictor: Predictor, trained: Trained, job: Job) -> None:
        """The corpus that passages are found in."""
        _model(predictor).reader.keep(folder)

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The answer with the passages that it was written from, which may be fewer than were found."""
        from medplug.core.asking.answer import Answer, Passage

        (written,), (given,) = _written(predictor, examples.values, lambda done, total: None)
        held = [Passage(each.id, each.text, each.score) for each in given if each.id in written.passages]
        return Answer(written.text, written.score, predictor.certain_from, tuple(held))


def _written(predictor: Predictor, values: Sequence[Pair], report: Report) -> tuple[list[Answered], list[list[Found]]]:
    """The answers, and what was found for each question."""
    model = _model(predictor)
    given = model.reader.passages(values)
    return write(model, model.reader.prompts(values, given), predictor.compute, report), given


def _model(predictor: Predictor) -> TextModel:
    """The model, its passages at hand."""
    model = predictor.model
    assert isinstance(model, TextModel)
    if predictor.folder is not None and predictor.folder.is_dir():  # there is none while the run is being written
        model.reader.recall(predictor.folder)
    return model
