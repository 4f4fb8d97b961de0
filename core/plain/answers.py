"""Answers without a model: the commonest one of training, and that of the most similar question of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medplug.core.evaluation.answers import normalised
from medplug.core.retrieval.bm25 import BM25


def commonest(answers: Sequence[str]) -> str:
    """The training answer that occurs most often, compared as answers are judged; of equals the first."""
    counted = Counter(map(normalised, answers))
    return max(answers, key=lambda answer: counted[normalised(answer)])


def nearest(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """For each of `asked` the answer of the training question that BM25 finds first, or else the commonest."""
    best = BM25.fit(questions).top(asked, 1).rows[:, 0]
    otherwise = commonest(answers)
    return [otherwise if row < 0 else answers[row] for row in best.tolist()]
