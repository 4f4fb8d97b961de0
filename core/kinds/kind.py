"""What a kind of target says for itself, so that runs and predictors need not know which kind they are of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medplug.core.errors import ConfigError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.asking.answer import Answer
    from medplug.core.backbone import Backbone
    from medplug.core.data.dataset import Dataset
    from medplug.core.data.targets import Target
    from medplug.core.evaluation.abstention import Certainty
    from medplug.core.judging.judge import Judged
    from medplug.core.model import Model
    from medplug.core.plan import Plan
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples, Task
    from medplug.core.training.compute import Report
    from medplug.core.training.frozen import FrozenFeatures
    from medplug.core.training.job import Adapters, Job, Trained
    from medplug.core.training.learner import Learner


@dataclass(frozen=True, slots=True)
class How:
    """What a prediction was asked for beside the rows: a folder for masks, how many entries of a ranking a row."""

    masks: Path | None = None
    top: int | None = None


def refuse_also(also: Mapping[str, Target], what: str) -> None:
    """Raise `ConfigError` where targets are to be learned along with what are no labels of rows."""
    if also:
        raise ConfigError(f"data.also ({', '.join(also)}) is learned along with labels of rows, and not with {what}")


class Kind(ABC):
    """The answers of one kind of target."""

    @abstractmethod
    def model(self, backbone: Backbone, target: Target, also: Mapping[str, Target]) -> Model:
        """The model of a new run or a saved one; `ConfigError` where what is learned `also` cannot stand beside it."""

    @abstractmethod
    def train(self, model: Model, adapters: Adapters, job: Job) -> Trained:
        """Train the model in place to its best epoch, as the adapters say."""

    @abstractmethod
    def judge(self, task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
        """Score the test split beside the plain baselines."""

    @abstractmethod
    def left(self, dataset: Dataset, trained: Trained, split: str) -> pl.DataFrame:
        """The rows of a split as ``predictions.parquet`` has them: split, number, truth, prediction; no content."""

    @abstractmethod
    def predicted(
        self, predictor: Predictor, examples: Examples, columns: Mapping[str, Any], how: How, report: Report
    ) -> pl.DataFrame:
        """What `Predictor.predict` gives: `columns` of the rows, then what is predicted of them."""

    @abstractmethod
    def scored(
        self, predictor: Predictor, examples: Examples, report: Report, groups_and_draws: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What `Predictor.evaluate` tells of labelled rows: ``metrics`` as `Estimate`s, and what else it measures."""

    def certainties(self, dataset: Dataset, trained: Trained, split: str) -> list[Certainty]:
        """Of the rows of a split how sure their answers are, and whether they are right; none where no answer is."""
        return []

    def keep(self, folder: Path, predictor: Predictor, trained: Trained, job: Job) -> None:  # noqa: B027 - few have any
        """Write into a run's folder what `predictor` needs beside its weights."""

    def asked(self, predictor: Predictor, examples: Examples, top: int) -> Answer:
        """The answer to one question, which is the only row; `UsageError` where this kind gives none."""
        raise UsageError(
            f"this run of {predictor.task_name} predicts a {predictor.target.kind} target and answers no questions; "
            "ask a run of task=medical_qa, or use medplug predict"
        )


class Learned(Kind):
    """A kind whose rows have a label each, and are learned from one by one: by a head in closed form or by gradient."""

    @abstractmethod
    def learner(self, model: Model, job: Job, frozen: FrozenFeatures) -> Learner:
        """What is trained by gradient: the model and its prepared rows."""

    def train(self, model: Model, adapters: Adapters, job: Job) -> Trained:
        """On the rows, or on frozen features of them."""
        from medplug.core.training.train import train_rows

        return train_rows(model, adapters, job, partial(self.learner, model, job))
