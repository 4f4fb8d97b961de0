"""The scores of each drug, each protein, or whatever else a task says recurs, on the test split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.content import content_key
from medplug.core.data.entities import distinct
from medplug.core.data.targets import Target
from medplug.core.evaluation.entities import LEAST_ROWS, EntityScores, score_entities, told_of
from medplug.core.evaluation.statistic import Labels, Probabilities
from medplug.core.task import Examples, Task

_DIGITS = 8


def by_entity(
    task: Task, test: Examples, target: Target, labels: Labels, probabilities: Probabilities, metrics: Sequence[str]
) -> tuple[EntityScores, ...]:
    """The scores of the entities of each slot that the task names, without intervals; nothing where it names none."""
    return tuple(_of_slot(task, slot, test, target, labels, probabilities, metrics) for slot in task.entities)


def summary(found: Sequence[EntityScores]) -> dict[str, Any]:
    """By slot how many entities there are and were scored, and of each metric how it lies over them, as JSON data."""
    return {
        each.slot: {
            "entities": len(each.names),
            "least_rows": LEAST_ROWS,
            "scored": each.scored,
            "metrics": {metric: _spread(values) for metric, values in each.values.items()},
        }
        for each in found
    }


def _of_slot(
    task: Task,
    slot: str,
    test: Examples,
    target: Target,
    labels: Labels,
    probabilities: Probabilities,
    metrics: Sequence[str],
) -> EntityScores:
    keys, at = distinct([content_key(value) for value in test.inputs[slot]])
    _, first = np.unique(at, return_index=True)
    names = _named(slot, keys, [task.entity_name(slot, test.inputs[slot][row]) for row in first])
    values = score_entities(target, labels, probabilities, at, metrics)
    return EntityScores(slot, names, test.rows[first], np.bincount(at), told_of(target, labels, at), values)


def _named(slot: str, keys: Sequence[bytes], names: Sequence[str | None]) -> list[str]:
    """The names, no two alike; the slot and the content's first digits where there is none."""
    times = Counter(names)
    marks = [key.hex()[:_DIGITS] for key in keys]
    return [
        f"{slot} {mark}" if not name else name if times[name] == 1 else f"{name} ({mark})"
        for name, mark in zip(names, marks, strict=True)
    ]


def _spread(values: NDArray[np.float64]) -> dict[str, Any]:
    """The number of entities where a metric is defined, its mean over them (the macro average) and its quartiles."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return {"n": 0, "mean": None, "quartiles": None}
    return {
        "n": len(defined),
        "mean": float(defined.mean()),
        "quartiles": np.quantile(defined, [0.25, 0.5, 0.75]).tolist(),
    }
