"""Judging written answers on the test split, beside answers that take no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.answers import RowScores, estimate_rows, score_answers
from medplug.core.evaluation.scores import Estimate, Groups, each_subgroup
from medplug.core.judging.judge import Judged, as_json, chosen, parts_json, subgroups_of
from medplug.core.judging.twins import without_twins
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
    how: dict[str, Any] = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    scores = {
        "task": plan.task.name,
        "split": "test",
        "n": len(test),
        "sample": dataset.facts.sample,
        **({"sample_is": dataset.facts.sample_is} if dataset.facts.sample else {}),
        "metrics": as_json(estimate_rows(own, **how)),
        "by_class": {},
        "by_group": {column: _parts(own, values, how) for column, values in subgroups_of(test).items()},
        "baseline": {
            "majority": as_json(estimate_rows(majority, **how)),
            "nearest": as_json(estimate_rows(plain, **how)),
        },
        "difference": as_json(estimate_rows({name: own[name] - plain[name] for name in own}, **how)),
        "without_twins": without_twins(
            dataset.twins, test.groups, lambda rows, groups: _of_rows(own, rows, {**how, "groups": groups})
        ),
        "selection": chosen(plan, dataset, trained, metric),
        "written": _written(trained, own, how),
    }
    notes = {"kind": "the answer of the training question that BM25 finds first"}
    labels = np.zeros(len(test), dtype=np.int64)
    return Judged(metric, scores, labels, own["token_f1"][:, None], plain["token_f1"][:, None], notes)


def _parts(own: RowScores, values: list[str], how: dict[str, Any]) -> dict[str, Any]:
    def scored(rows: NDArray[np.int64], members: Groups | None) -> dict[str, Estimate]:
        return _of_rows(own, rows, {**how, "groups": members})

    return parts_json(each_subgroup(values, how["groups"], scored))


def _of_rows(own: RowScores, rows: NDArray[np.int64], how: dict[str, Any]) -> dict[str, Estimate]:
    return estimate_rows({name: values[rows] for name, values in own.items()}, **how)


def _written(trained: Trained, own: RowScores, how: Mapping[str, Any]) -> dict[str, Any]:
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
        **as_json(estimate_rows(losses, **how)),
        "score_auroc": _telling([each.score for each in written], own["token_f1"] >= RIGHT),
    }


def _telling(scores: Sequence[float], right: NDArray[np.bool_]) -> float | None:
    """The AUROC of the scores for being right; None where all are, or none."""
    from sklearn.metrics import roc_auc_score

    return None if right.all() or not right.any() else float(roc_auc_score(right, scores))


def _questions(examples: Examples) -> list[str]:
    return [value.question for value in examples.values]


def _answers(examples: Examples) -> list[str]:
    return examples.labels or []
