"""Further targets of the same rows, which are learned along with the main one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data import cells
from medplug.core.data.classes import target_of
from medplug.core.data.labels import read_labels
from medplug.core.data.problems import Problems
from medplug.core.data.reading import Facts
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError
from medplug.core.fields import AlsoKind
from medplug.core.task import Examples, Task


@dataclass(frozen=True, slots=True)
class Also:
    """A target that is learned along, and the metrics that it is judged by, the first before all.

    By split, `labels` are encoded (``[rows]`` or ``[rows, classes]``) and `known`
    ``[rows]`` says which of them there are; the others mean nothing.
    """

    target: Target
    metrics: tuple[str, ...]
    labels: dict[str, NDArray[Any]]
    known: dict[str, NDArray[np.bool_]]


def also_key(name: str) -> str:
    """What the column of such a target is called in `Task.columns` and in errors."""
    return f"data.also ({name})"


def read_also(
    table: pl.DataFrame, kinds: Mapping[str, AlsoKind], separator: str, problems: Problems
) -> dict[str, list[Any]]:
    """The raw labels of each of these columns that the table has, None where a cell is empty.

    Labels are read as the main one's are; a cell that is none goes to `problems`. Raises
    `ConfigError` for lists where one label a row is asked for.
    """
    return {
        name: _read(table.select(name), name, kind, separator, problems)
        for name, kind in kinds.items()
        if name in table.columns
    }


def _read(table: pl.DataFrame, name: str, kind: AlsoKind, separator: str, problems: Problems) -> list[Any]:
    column, lists = table[name], isinstance(table[name].dtype, pl.List | pl.Array)
    if lists and kind not in ("auto", "multilabel"):
        raise ConfigError(f"{also_key(name)}: the column holds lists, which are multilabel (or auto), not {kind}")
    given = (column if lists else cells.texts(column, also_key(name))).is_not_null()
    places, own = given.arg_true().to_list(), Problems(problems.table)
    filled = table.filter(given)
    if kind == "regression":
        found: list[Any] = list(cells.number_column(filled[name], own))
    else:
        found = read_labels(filled, name, kind, separator, own)
    for problem in own.found:
        problems.add([places[problem.row - 1] + 1], problem.column, problem.reason)
    labels: list[Any] = [None] * table.height
    for place, label in zip(places, found, strict=True):
        labels[place] = label
    return labels


def also_target(name: str, kind: AlsoKind, labels: Sequence[Any]) -> Target:
    """The target of these raw training labels; `DataError` where they cannot be learned as this kind."""
    known = [label for label in labels if label is not None]
    try:
        return Target.numeric(name, known) if kind == "regression" else target_of(known, kind)
    except (DataError, ConfigError):  # which speak of data.label and of task.target
        raise DataError(
            f"{also_key(name)}: {len(known)} of {len(labels)} training rows have a label, {len(set(known))} different "
            f"ones, which cannot be learned as {kind}; two or more are needed, and of classes many rows each (numbers: "
            f'data.also={{"{name}":"regression"}}); or leave the column out'
        ) from None


def learned_along(task: Task, splits: Mapping[str, Examples], facts: Facts) -> dict[str, Also]:
    """The further targets of the training rows with the labels of each labelled split.

    A label that training lacks counts as missing, and is counted in `facts`. Raises
    `DataError` where no row of a split is left with one.
    """
    found = {}
    for name, target in task.also_targets(splits["train"]).items():
        given = {split: rows.also[name] for split, rows in splits.items() if rows.labels is not None}
        encoded = {split: encode(target, labels) for split, labels in given.items()}
        for split, (_, known) in encoded.items():
            _check(name, split, known)
            lacking = sum(label is not None for label in given[split]) - int(known.sum())
            if lacking:
                facts.counts[f"{split} labels of {name} that training lacks, taken as missing"] = lacking
        found[name] = Also(
            target,
            task.metrics(target),
            {split: labels for split, (labels, _) in encoded.items()},
            {split: known for split, (_, known) in encoded.items()},
        )
    return found


def _check(name: str, split: str, known: NDArray[np.bool_]) -> None:
    if not known.any():
        raise DataError(
            f"{also_key(name)}: no row of the {split} split has a label that training has, so it cannot be "
            f"{'learned' if split == 'train' else 'judged'}; leave the column out, or look at data.split"
        )


def encode(target: Target, labels: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Raw labels, None where there is none, as encoded ones (zeros there) and which are known ``[rows]``."""
    given = [i for i, label in enumerate(labels) if label is not None]
    unknown = {given[i] for i in target.unknown([labels[i] for i in given])}
    kept = [i for i in given if i not in unknown]
    encoded = target.encode([labels[i] for i in kept])
    found = np.zeros((len(labels), *encoded.shape[1:]), dtype=encoded.dtype)
    known = np.zeros(len(labels), dtype=np.bool_)
    found[kept], known[kept] = encoded, True
    return found, known
