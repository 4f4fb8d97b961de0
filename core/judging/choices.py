"""Judging multiple choice on the test split, beside what is chosen without reading the question well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.scores import estimate
from medplug.core.evaluation.statistic import Probabilities
from medplug.core.judging.judge import Judged, as_json, judge
from medplug.core.plain.choice import LongestOption, OptionOverlap, Scores
from medplug.core.plan import Plan
from medplug.core.task import Task
from medplug.core.training.job import Trained

_LEAST = 1e-6
"""By how much the option that a rule takes is at least likelier than another."""


def judge_choice(task: Task, dataset: Dataset, trained: Trained, plan: Plan, metric: str) -> Judged:
    """Score the test split as any, and add two rules: the longest option, and the one that shares most words."""
    found = judge(task, dataset, trained, plan, metric)
    test, target, labels = dataset.splits["test"], dataset.target, dataset.labels["test"]
    how: dict[str, Any] = {"groups": test.groups, "resamples": plan.report.resamples, "seed": plan.run.seed}
    train, right = dataset.splits["train"].values, dataset.labels["train"]
    rules: dict[str, LongestOption | OptionOverlap] = {"longest": LongestOption(), "overlap": OptionOverlap()}
    told = {}
    for name, rule in rules.items():
        rule.fit(train, right.tolist())
        share = float((rule.scores(train).argmax(axis=1) == right).mean())
        taken = taking(rule.scores(test.values), share, len(target.classes))
        told[name] = as_json(estimate(target, labels, taken, task.metrics(target), **how))
    return replace(found, scores={**found.scores, "baseline": {**found.scores["baseline"], **told}})


def taking(scores: Scores, share: float, options: int) -> Probabilities:
    """Probabilities ``[rows, options]`` of a rule that takes the option of the highest score, the first of equal ones.

    It was right on this `share` of the training rows, which is the probability of what it takes (a little more than
    an equal share at least); the other options that the row has share the rest.
    """
    there = np.zeros((len(scores), options), dtype=np.bool_)
    there[:, : scores.shape[1]] = np.isfinite(scores)
    count = there.sum(axis=1)
    sure = np.clip(share, 1 / count + _LEAST, 1 - _LEAST)
    taken: NDArray[np.int64] = scores.argmax(axis=1)
    found = np.where(there, ((1 - sure) / (count - 1))[:, None], 0.0)
    found[np.arange(len(found)), taken] = sure
    return found
