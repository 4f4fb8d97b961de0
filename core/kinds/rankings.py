"""Targets that are found and not decided: the passages of a corpus, ranked for a question by a bi-encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from medplug.core.asking.answer import Answer
from medplug.core.backbone import Backbone
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.abstention import Certainty
from medplug.core.frames.rankings import ranking_frame
from medplug.core.judging.judge import Judged
from medplug.core.judging.retrieval import distinct_questions, judge_rankings, right_passages
from medplug.core.kinds.kind import How, Kind, refuse_also
from medplug.core.model import Model
from medplug.core.plan import Plan
from medplug.core.predicting.retrieval import INDEX, answered, found_frame, keep_index, ranking_model, scored_rankings
from medplug.core.retrieval.model import RankingModel
from medplug.core.retrieval.retrieved import Retrieved
from medplug.core.task import Examples, Task
from medplug.core.training.compute import Report
from medplug.core.training.job import Adapters, Job, Trained

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor


class Rankings(Kind):
    """Passages for questions."""

    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """The encoder alone."""
        refuse_also(also, "passages")
        return RankingModel(backbone, target)

    def train(self, model: Model, adapters: Adapters, job: Job) -> Trained:
        """Trained as a whole: pairs of texts that are compared with each other are no rows with a label each."""
        from medplug.core.training.retrieval_learner import train_ranking  # brings transformers

        assert isinstance(model, RankingModel)
        return train_ranking(model, adapters, job)

    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Beside BM25, the encoder untrained, one order for all and, where there is one, a reranker."""
        return judge_rankings(dataset, trained, plan, metric)

    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """The ids of the right and of the best passage, and the rank of the first right one."""
        assert dataset.corpus is not None
        found: Retrieved = trained.findings["retrieved"]
        questions = distinct_questions(dataset, split)
        right = right_passages(dataset, questions)
        return ranking_frame(split, dataset.splits[split], questions, found.found[split], right, dataset.corpus)

    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """The best passages of each row, a line each."""
        return found_frame(predictor, examples, columns, how.top, report)

    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The metrics over the run's index."""
        return scored_rankings(predictor, examples, report, groups_and_draws)

    def certainties(self, dataset: Dataset, trained: Trained, split: str) -> list[Certainty]:
        """The best passage's score for each distinct question, and whether that passage is right.

        The score is what an answer is told with: the cosine, or a reranker's probability.
        """
        found: Retrieved = trained.findings["retrieved"]
        ranked = found.found[split]
        best, scores = ranked.rows[:, 0], ranked.scores[:, 0].astype(np.float64)
        if found.reranked is not None:
            again, shares = found.reranked.found[split]
            best, scores = again.rows[:, 0], shares[:, 0]
        told = tuple(dict.fromkeys(("train", "validation", split)))  # no threshold goes by what test rows tell
        right = right_passages(dataset, distinct_questions(dataset, split), told)
        each = zip(scores.tolist(), best.tolist(), right, strict=True)
        return [Certainty(score, row in grades) for score, row, grades in each]

    def keep(self, folder: Path, predictor: Predictor, trained: Trained, job: Job) -> None:
        """The index of the corpus by the final encoder."""
        assert job.dataset.corpus is not None
        found: Retrieved = trained.findings["retrieved"]
        keep_index(folder / INDEX, ranking_model(predictor), job.dataset.corpus, found.vectors)

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The best passage."""
        return answered(predictor, examples.values[0].question, top)
