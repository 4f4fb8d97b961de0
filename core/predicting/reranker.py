"""A cross-encoder that reads the first passages of a ranking again, each together with the question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.questions import Pair
from medplug.core.errors import ConfigError
from medplug.core.retrieval.best import Ranked
from medplug.core.retrieval.retrieved import reordered

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

_AT_ONCE = 4096
"""Pairs that are read at once, of some questions and their first passages."""


class Reranker:
    """A finished run with a binary target over pairs of texts; it orders the `first` passages by its positive class.

    Nogueira and Cho (Passage re-ranking with BERT, 2019).
    """

    def __init__(self, predictor: Predictor, first: int, name: str) -> None:
        self.predictor, self.first, self.name = predictor, first, name

    @classmethod
    def of(cls, options: Any, device: str = "auto") -> Reranker | None:
        """That of ``task.reranker``, for the first ``task.rerank`` passages; None where no run is named.

        It computes on `device`. `ConfigError` for a run that does not say of two texts whether they go together.
        """
        if options.reranker is None:
            return None
        from medplug.core.api import load

        folder = Path(options.reranker).expanduser()
        predictor = load(folder, device=device)
        if predictor.target.kind != "binary" or getattr(predictor.task.options, "form", None) != "entailment":
            raise ConfigError(
                f"task.reranker={folder}: must be a run of form=entailment with two classes, and this one is of "
                f"{predictor.task_name} with a {predictor.target.kind} target; train one on questions and passages"
            )
        return cls(predictor, options.rerank, folder.name)

    def order(
        self, questions: Sequence[str], passages: Callable[[list[int]], Sequence[str]], ranked: Ranked
    ) -> tuple[Ranked, NDArray[np.float64]]:
        """The rankings of `questions` with their first ranks in the new order, and the probabilities of these.

        `passages` gives the texts at some rows of the corpus.
        """
        rows = [[int(row) for row in found if row >= 0] for found in ranked.rows[:, : self.first]]
        return reordered(ranked, self.scores(questions, [passages(each) for each in rows]))

    def scores(self, questions: Sequence[str], passages: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """The probability that each question's passages answer it ``[questions, most]``; 0 where it has fewer."""
        found = np.zeros((len(questions), max(map(len, passages), default=0)))
        step = max(1, _AT_ONCE // max(found.shape[1], 1))
        for start in range(0, len(questions), step):
            some = range(start, min(start + step, len(questions)))
            pairs = [Pair(questions[row], passage) for row in some for passage in passages[row]]
            target = self.predictor.target
            shares = iter(target.probabilities(self.predictor.logits(pairs))[:, 1].tolist() if pairs else [])
            for row in some:
                found[row, : len(passages[row])] = [next(shares) for _ in passages[row]]
        return found
