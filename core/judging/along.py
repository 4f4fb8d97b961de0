"""Judging what is learned along, and telling it row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.also import Also, encode
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.baseline import Baseline, plain_baseline
from medplug.core.evaluation.scores import Estimate, estimate, paired_difference
from medplug.core.plan import Plan
from medplug.core.task import Examples, Task
from medplug.core.training.job import Trained
from medplug.core.training.weights import weightings


def judge_also(task: Task, dataset: Dataset, trained: Trained, plan: Plan) -> dict[str, Any]:
    """The scores of each further target, on the test rows that have a label of it, as JSON data.

    Each is held against a plain baseline of its own, as the main target is.
    """
    return {name: _judged(task, dataset, each, trained.also[name]["test"], plan) for name, each in dataset.also.items()}


def _judged(task: Task, dataset: Dataset, also: Also, logits: NDArray[np.float32], plan: Plan) -> dict[str, Any]:
    known, target = also.known["test"], also.target
    labels, probabilities = also.labels["test"][known], target.probabilities(logits[known])
    how: dict[str, Any] = {"groups": _some(dataset.splits["test"].groups, known)}
    how |= {"resamples": plan.report.resamples, "seed": plan.run.seed}
    plain = _baseline(task, dataset, also, plan)
    return {
        "kind": target.kind,
        "n": int(known.sum()),
        "metrics": _json(estimate(target, labels, probabilities, also.metrics, **how)),
        "baseline": {
            "majority": _json(estimate(target, labels, plain.majority, also.metrics, **how)),
            "linear": _json(estimate(target, labels, plain.linear, also.metrics, **how)),
        },
        "difference": _json(paired_difference(target, labels, probabilities, plain.linear, also.metrics, **how)),
    }


def _baseline(task: Task, dataset: Dataset, also: Also, plan: Plan) -> Baseline:
    """The linear model on the rows that have a label."""
    values = {split: _some(dataset.splits[split].values, known) or [] for split, known in also.known.items()}
    labels = {split: also.labels[split][known] for split, known in also.known.items()}
    return plain_baseline(
        task.plain_features(),
        values["train"],
        labels["train"],
        values["validation"],
        labels["validation"],
        values["test"],
        also.target,
        also.metrics[0],
        weightings(labels["train"], also.target, plan.train.class_weights),
        plan.run.seed,
    )


def evaluate_also(
    task: Task,
    targets: Mapping[str, Target],
    examples: Examples,
    logits: Sequence[NDArray[np.float32]],
    *,
    groups: list[str] | None,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The metrics of the further targets that these rows have labels of, from the logits of each."""
    found = {}
    for (name, target), own in zip(targets.items(), logits, strict=True):
        labels, known = encode(target, examples.also.get(name, [None] * len(examples)))
        if known.any():
            how: dict[str, Any] = {"groups": _some(groups, known), "resamples": resamples, "seed": seed}
            scores = estimate(target, labels[known], target.probabilities(own[known]), task.metrics(target), **how)
            found[name] = {"kind": target.kind, "n": int(known.sum()), "metrics": _json(scores)}
    return found


def _some(values: list[Any] | None, rows: NDArray[np.bool_]) -> list[Any] | None:
    return None if values is None else [values[i] for i in np.flatnonzero(rows)]


def _json(estimates: dict[str, Estimate]) -> dict[str, Any]:
    return {name: each.as_json() for name, each in estimates.items()}
