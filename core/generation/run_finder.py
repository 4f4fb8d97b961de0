"""Passages that a finished run of retrieval finds, in place of BM25."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medplug.core.errors import ConfigError
from medplug.core.generation.passages import Found

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor


class RunFinder:
    """Passages of the index of a run of retrieval, by its encoder. The run stays where it is, and must stay there."""

    def __init__(self, predictor: Predictor, name: str) -> None:
        self._predictor = predictor
        self.told = f"the index of the run {name}"

    @classmethod
    def of(cls, folder: str) -> RunFinder:
        """That of the run in a folder; `ConfigError` where it is none, or finds no passages."""
        from medplug.core.api import load

        predictor = load(Path(folder).expanduser())
        if predictor.target.kind != "ranking":
            raise ConfigError(
                f"task.retriever={folder}: this run of {predictor.task_name} has a {predictor.target.kind} target and "
                "finds no passages; name a run of task.form=retrieval, or task.retriever=bm25"
            )
        return cls(predictor, Path(folder).name)

    def find(self, questions: Sequence[str], count: int) -> list[list[Found]]:
        """The best passages of each question; equal questions are looked up once."""
        from medplug.core.predicting.retrieval import passages_for

        distinct = list(dict.fromkeys(questions))
        passages = passages_for(self._predictor, distinct, count)
        found = {
            question: [Found(each.id, each.text, each.score) for each in of_question]
            for question, of_question in zip(distinct, passages, strict=True)
        }
        return [found[question] for question in questions]

    def keep(self, folder: Path) -> None:
        """Nothing: the run that finds them keeps the passages, and predictions name them by its ids."""
