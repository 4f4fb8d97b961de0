"""Judging written answers on the test split, beside answers that take no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.answers import RowScores, score_answers
from medplug.core.judging.judge import Judged
from medplug.core.judging.row_scores import RowsJudged
from medplug.core.plain.answers import commonest, nearest
from medplug.core.plan import Plan
from medplug.core.task import Examples, Task
from medplug.core.training.job import Trained

RIGHT = 0.5
"""The token F1 from which on an answer counts as right where it must be the one or the other."""


def judge_answers(task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test answers with intervals, and those of training that are commonest and nearest by BM25."""
    train, test = dataset.splits["train"], dataset.splits["test"]
    names, written = task.metrics(dataset.target), trained.findings["test"].written

    def scored(answers: Sequence[str]) -> RowScores:
        return score_answers(answers, [[truth] for truth in _answers(test)], names)

    own = scored([each.text for each in written])
    majority = scored([commonest(_answers(train))] * len(test))
    plain = scored(nearest(_questions(train), _answers(train), _questions(test)))
    judged = RowsJudged(own, dataset, plan)
    baselines = {"majority": majority, "nearest": plain}
    scores = {
        **judged.scores(baselines, against="nearest", trained=trained, metric=metric),
        "written": _written(trained, judged),
    }
    notes = {"kind": "the answer of the training question that BM25 finds first"}
    labels = np.zeros(len(test), dtype=np.int64)
    return Judged(metric, scores, labels, own["token_f1"][:, None], plain["token_f1"][:, None], notes)


def _written(trained: Trained, judged: RowsJudged) -> dict[str, Any]:
    """What is known of the answers beside how right they are, as JSON data.

    `log_loss` is the mean negative log-likelihood of the right answers' tokens, `score_auroc` how
    well the model's own score tells answers of a token F1 of one half and more from the others.
    """
    written = trained.findings["test"].written
    losses = {"log_loss": trained.findings["test"].losses.astype(np.float64)}
    counts = trained.census.get("test", {})
    return {
        "empty": sum(not each.text for each in written),
        "with_passages": sum(bool(each.passages) for each in written),
        "passages": float(np.mean([len(each.passages) for each in written])),
        "held": next((rows for what, rows in counts.items() if "word for word" in what), 0),
        **judged.told(losses),
        "score_auroc": _telling([each.score for each in written], judged.own["token_f1"] >= RIGHT),
    }


def _telling(scores: Sequence[float], right: NDArray[np.bool_]) -> float | None:
    """The AUROC of the scores for being right; None where all are, or none."""
    from sklearn.metrics import roc_auc_score

    return None if right.all() or not right.any() else float(roc_auc_score(right, scores))


def _questions(examples: Examples) -> list[str]:
    return [value.question for value in examples.values]


def _answers(examples: Examples) -> list[str]:
    return examples.labels or []
