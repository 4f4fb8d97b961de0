"""Training of a bi-encoder: on unlabelled pairs where there are some, then on questions and their passages.

Only training rows are learned from: hard negatives are mined among their passages alone, and an epoch is judged by the
validation questions over the validation passages. Passages of test rows are encoded like any other of the corpus;
no test question is looked at before the model is final, but to be ranked by the untrained encoder beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from medplug.core.adapter import Matrix
from medplug.core.config import TrainConfig
from medplug.core.errors import ConfigError
from medplug.core.evaluation.retrieval import DEPTH, METRICS, Judged, judge
from medplug.core.predicting.reranker import Reranker
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.corpus import Corpus, Questions, pairs_of, relevance
from medplug.core.retrieval.loss import InBatchLoss
from medplug.core.retrieval.model import RankingModel
from medplug.core.retrieval.nearest import Nearest
from medplug.core.retrieval.pseudo import pseudo_pairs
from medplug.core.retrieval.retrieved import Reranked, Retrieved
from medplug.core.training.gradient import config_of
from medplug.core.training.job import Adapters, Job, Trained
from medplug.core.training.objective import Objective
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Rows
from medplug.core.training.text_pairs import PairCollate, TextPairs
from medplug.core.training.text_vectors import text_vectors
from medplug.core.training.trainer import preferred, train_by_gradient

CHOSEN_BY = "mrr"


def train_ranking(model: RankingModel, adapters: Adapters, job: Job) -> Trained:
    """Train the encoder in place to its best epoch; without anything to train it stays as it is."""
    model.reranker = Reranker.of(job.plan.task_options, job.compute.device.type)  # refused now, not after training
    learner = RankingLearner(model, job)
    vectors = learner.vectors("the corpus, untrained")
    untrained, before = learner.found("test", vectors), learner.score()
    for _, adapter in adapters:
        adapter.prepare(model)
    model.backbone.keeps_statistics &= job.plan.pretrained
    if not any(parameter.requires_grad for parameter in model.parameters()):
        _refuse_unlabelled(job)
        notes: dict[str, Any] = {"validation": before, "training": "none: the encoder is used as it is"}
        return learner.trained(notes, {"validation": learner.found("validation", vectors), "test": untrained}, vectors)
    adapted = _adapt(learner, adapters)
    pairs = TextPairs.of(pairs_of(job.values("train")), learner.options.negatives)
    history = learner.epochs(pairs, adapters, config_of(job), "training")
    best = max(history, key=partial(preferred, metric=learner.metric, greater_is_better=True))
    notes = {
        **adapted,
        "distinct questions and passages": f"{len(pairs.texts):,} texts in {len(pairs):,} pairs",
        "validation before training": before,
        "best epoch": best["epoch"],
        "epochs": len(history),
        "validation": {name: best[name] for name in before},
    }
    vectors = learner.vectors()
    found = {split: learner.found(split, vectors) for split in ("validation", "test")}
    return learner.trained(notes, found, vectors, history, untrained)


@dataclass(frozen=True, slots=True)
class Validation:
    """Questions to choose by, the passages they are answered from, and the prepared items of both, in that order."""

    items: list[Any]
    questions: int
    relevance: Any

    @classmethod
    def of(cls, model: RankingModel, job: Job) -> Validation:
        """Those of the validation rows."""
        pairs = pairs_of(job.values("validation"))
        questions = Questions.of_rows(job.values("validation"))
        passages = Questions.among([passage for _, passage in pairs])
        items = model.encoder.prepare([*questions.texts, *passages.texts])
        return cls(items, len(questions), relevance(questions, pairs, passages.texts))


class RankingLearner:
    """A bi-encoder, how its epochs are scored, and what it finds at last."""

    def __init__(self, model: RankingModel, job: Job) -> None:
        assert job.dataset.corpus is not None
        self.model, self.job = model, job
        self.options: Any = job.plan.task_options
        self.corpus: Corpus = job.dataset.corpus
        self.metric = job.metric if job.metric in METRICS else CHOSEN_BY

    @cached_property
    def validation(self) -> Validation:
        """The validation rows, prepared once."""
        return Validation.of(self.model, self.job)

    def score(self) -> dict[str, float]:
        """The metric to choose by and the mean reciprocal rank, of validation questions over validation passages."""
        from medplug.core.training.compute import infer

        held, model = self.validation, self.model.eval()
        vectors = infer(model.every, model.encoder, held.items, self.job.compute)
        questions, passages = np.split(vectors, [held.questions])
        judged = judge(Nearest(passages).search(questions, max(len(passages), DEPTH)).rows, held.relevance)
        return {name: mean(judged, name) for name in dict.fromkeys((self.metric, CHOSEN_BY))}

    def epochs(
        self, pairs: TextPairs, adapters: Adapters, config: TrainConfig, stage: str, folder: str = ""
    ) -> list[dict[str, float]]:
        """Train on `pairs`, and leave the encoder at its best epoch; gives each epoch's numbers."""
        job, model = self.job, self.model
        job.stage("preparing")
        items = model.encoder.prepare(pairs.texts)
        loss = InBatchLoss(pairs.relevant, len(pairs.texts), self.options.temperature)
        penalties = {spec.name: adapter for spec, adapter in adapters if "penalty" in spec.answers}
        rates = {name: rate for _, adapter in adapters for name, rate in adapter.rates(model).items()}
        with quiet():
            return train_by_gradient(
                Objective(model, loss, job.dataset.target, penalties),
                Rows(list(pairs.rows), pairs.rows),
                self.score,
                metric=self.metric,
                greater_is_better=True,
                config=config,
                seed=job.plan.run.seed,
                compute=job.compute,
                checkpoints=job.checkpoints / folder,
                resume=job.resume,
                step=job.stage(stage),
                epoch=job.epoch,
                rates=rates,
                schedule=_schedule(model, adapters),
                collate=PairCollate(model.encoder, items, job.compute.tokens),
            )

    def vectors(self, what: str = "the corpus") -> Matrix:
        """Vectors ``[passages, width]`` of the corpus."""
        return text_vectors(self.model, self.corpus.texts, self.job.compute, self.job.stage(f"encoding {what}"))

    def found(self, split: str, vectors: Matrix) -> Ranked:
        """The rankings of a split's distinct questions over the corpus."""
        questions = Questions.of_rows(self.job.values(split))
        asked = text_vectors(self.model, questions.texts, self.job.compute)
        return Nearest(vectors).search(asked, max(self.options.depth, DEPTH))

    def trained(
        self,
        notes: dict[str, Any],
        found: dict[str, Ranked],
        vectors: Matrix,
        history: Sequence[dict[str, float]] = (),
        untrained: Ranked | None = None,
    ) -> Trained:
        """What training leaves, with the encoder at its best epoch: its `vectors` of the corpus and what it `found`."""
        passages = self.model.encoder.prepare(self.corpus.texts) if len(self.corpus) <= _COUNTED else []
        census = {"corpus": self.model.encoder.census(passages)} if passages else {}
        return Trained(
            notes,
            {},
            list(history),
            census,
            backbone_frozen=not history,
            uses_unlabelled="unlabelled" in self.job.dataset.splits,
            findings={"retrieved": Retrieved(vectors, found, untrained, self._reranked(found))},
        )

    def _reranked(self, found: dict[str, Ranked]) -> Reranked | None:
        """What the reranker makes of it, on the main process: its run computes alone."""
        if (reranker := self.model.reranker) is None:
            return None
        self.job.stage("reading the first passages again")

        def order() -> dict[str, tuple[Ranked, Any]]:
            asked = {split: Questions.of_rows(self.job.values(split)).texts for split in found}
            return {split: reranker.order(asked[split], self.corpus.at, each) for split, each in found.items()}

        return Reranked(reranker.first, reranker.name, self.job.compute.processes.agree(order))


_COUNTED = 20_000
"""Passages that are looked at for those longer than the window."""


def mean(judged: Judged, name: str) -> float:
    """One metric's mean over the questions that have a right passage."""
    return float(np.nanmean(METRICS[name](judged)))


def _adapt(learner: RankingLearner, adapters: Adapters) -> dict[str, Any]:
    """Let the encoder learn from the unlabelled pairs first, in one pass or as many as give the fewest updates."""
    job = learner.job
    if "unlabelled" not in job.dataset.splits:
        return {}
    made = pseudo_pairs(pairs_of(job.values("unlabelled")))
    pairs = TextPairs.of(made.pairs)
    # one pass: there are more of them, as a rule, than of rows with a question
    history = learner.epochs(pairs, adapters, config_of(job).model_copy(update={"epochs": 1}), "adapting", "adapting")
    return {**made.told(), "validation after adapting": {name: history[-1][name] for name in (learner.metric,)}}


def _refuse_unlabelled(job: Job) -> None:
    if "unlabelled" in job.dataset.splits:
        raise ConfigError(
            "data.unlabelled adapts the encoder, and adapter=frozen leaves it as it is; use adapter=finetune or lora, "
            "or leave data.unlabelled out"
        )


def _schedule(model: RankingModel, adapters: Adapters) -> Callable[[float], None]:
    answering = [adapter for spec, adapter in adapters if "schedule" in spec.answers]

    def schedule(progress: float) -> None:
        for adapter in answering:
            adapter.schedule(model, progress)

    return schedule
