"""Targets of rows: logits a row from a linear head on pooled features. Most kinds are of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from medplug.core.backbone import Backbone
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.ensemble import Ensemble
from medplug.core.errors import ConfigError
from medplug.core.evaluation.abstention import Certainty
from medplug.core.evaluation.scores import estimate
from medplug.core.frames.columns import also_columns, spread_column, weight_columns
from medplug.core.frames.predictions import prediction_frame, truth_of
from medplug.core.judging.along import evaluate_also
from medplug.core.judging.entities import by_entity, summary
from medplug.core.judging.judge import Judged, judge
from medplug.core.judging.soundness import sound
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.judging.treatments import treatment_scores
from medplug.core.kinds.kind import How, Learned
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.task import Examples, Task
from medplug.core.training.compute import Report
from medplug.core.training.frozen import FrozenFeatures
from medplug.core.training.job import Job, Trained
from medplug.core.training.learner import Learner, row_learner

if TYPE_CHECKING:
    from medplug.core.asking.answer import Answer
    from medplug.core.predictor import Predictor


class Rows(Learned):
    """Classes, numbers, times to an event, treatments."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """A linear head a target."""
        if also and backbone.decides:
            raise ConfigError(
                "data.also puts heads on the features that modalities share, and this fusion joins decisions in place "
                "of such: use fusion=gated or fusion=concat, or leave data.also out"
            )
        return Model(backbone, target, also)

    def learner(self, model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
        """The rows, or their features where the backbone stays frozen."""
        return row_learner(model, job, frozen)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside the majority, a linear model and, where there is something to read, boosted trees."""
        return judge(task, dataset, trained, plan, metric)

    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """Truth, decision and probabilities, what was learned along, and the weights of modalities."""
        examples = dataset.splits[split]
        probabilities = dataset.target.probabilities(trained.logits[split])
        columns = {"split": [split] * len(examples), "row": examples.rows, **truth_of(dataset.target, examples)}
        frame = prediction_frame(dataset.target, columns, probabilities)
        along = also_columns(dataset.also_targets, [each[split] for each in trained.also.values()])
        return frame.with_columns(*along, *weight_columns(trained, split))

    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """Decisions and probabilities (of an ensemble: and how far its members are apart)."""
        found = predictor.found(examples.values, report)
        main, *others = predictor.model.apart(found)
        probabilities = predictor.target.probabilities(main)
        beside = also_columns(predictor.also, others)
        if isinstance(predictor.model, Ensemble):
            beside.append(
                spread_column(predictor.target, probabilities, predictor.model.spread(found, predictor.target))
            )
        frame = prediction_frame(predictor.target, columns, probabilities)
        return frame.with_columns(beside) if beside else frame

    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The metrics, calibration, coverage; of treatments what advice is worth; by entity; what was learned along."""
        target, task = predictor.target, predictor.task
        main, *others = predictor.every(examples.values, report)
        names, encoded = task.metrics(target), target.encode(examples.labels or [])
        predicted = target.probabilities(main)
        found: dict[str, Any] = {"metrics": estimate(target, encoded, predicted, names, **groups_and_draws)}
        if target.kind == "treatment":
            found["treatment"] = treatment_scores(target, encoded, predicted, **groups_and_draws)
        found |= sound(target, encoded, predicted, subgroups_of(examples), groups_and_draws)
        if each := by_entity(task, examples, target, encoded, predicted, names):
            found["by_entity"] = summary(each)
        if along := evaluate_also(task, predictor.also, examples, others, **groups_and_draws):
            found["also"] = along
        return found

    def certainties(self, dataset: Dataset, trained: Trained, split: str) -> list[Certainty]:
        """Of classes the decided one's probability."""
        if dataset.target.kind not in ("binary", "multiclass", "choice"):
            return []
        probabilities = dataset.target.probabilities(trained.logits[split])
        decided = dataset.target.decide(probabilities)
        scores = probabilities[np.arange(len(decided)), decided]
        right = decided == dataset.labels[split]
        return [Certainty(float(score), bool(each)) for score, each in zip(scores, right, strict=True)]

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The decided class."""
        if not predictor.target.has_classes or predictor.target.several:
            return super().asked(predictor, examples, top)
        from medplug.core.asking.answer import Answer

        main, *_ = predictor.every(examples.values, lambda done, total: None)
        probabilities = predictor.target.probabilities(main)
        (decided,) = predictor.target.decode(predictor.target.decide(probabilities))
        shares = dict(zip(predictor.target.classes, probabilities[0].tolist(), strict=True))
        return Answer(decided, shares[decided], predictor.certain_from, shares=shares)
