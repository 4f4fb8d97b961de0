"""Pairs that were measured more than once: averaged, refused where they differ, or kept."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medplug.core.data.problems import Problems
from medplug.core.task import Examples

Pair = tuple[Any, Any]


def pairs_of(examples: Examples) -> list[Pair]:
    """The drug and the protein of each row; equal ones are the same pair."""
    return list(zip(examples.inputs["drug"], examples.inputs["protein"], strict=True))


def refuse_conflicts(examples: Examples, column: str, problems: Problems) -> None:
    """Note every row whose pair stands in another row with another label; rows that are bad already count for none."""
    bad, rows = problems.rows, defaultdict(list)
    for row, pair in enumerate(pairs_of(examples), 1):
        if row not in bad:
            rows[pair].append(row)
    labels = examples.labels or []
    for among in rows.values():
        first = among[0]
        second = next((row for row in among if labels[row - 1] != labels[first - 1]), None)
        for row in among if second is not None else ():
            other = second if labels[row - 1] == labels[first - 1] else first
            problems.add([row], column, f"row {other} has the same drug and target, with another label")


def once(train: Examples) -> tuple[Examples, dict[str, int]]:
    """One row a pair, the first, with the mean of its numbers or the more frequent of its classes, and what was done.

    The mean is that of all its rows. A pair whose classes are as frequent as each
    other is left out, as nothing tells which is right.
    """
    labels, rows = train.labels or [], defaultdict(list)
    for place, pair in enumerate(pairs_of(train)):
        rows[pair].append(place)
    settled = {among[0]: _settled([labels[place] for place in among]) for among in rows.values()}
    kept = [place for place, label in settled.items() if label is not None]
    found = train.take(np.array(kept, dtype=np.int64))
    return replace(found, labels=[settled[place] for place in kept]), _counts(labels, list(rows.values()), kept)


def _settled(labels: Sequence[Any]) -> Any:
    """The label of a pair that has these; None where two classes are as frequent as each other."""
    if len(set(labels)) == 1:
        return labels[0]
    if not isinstance(labels[0], str):
        return math.fsum(labels) / len(labels)
    counts = sorted(((labels.count(name), name) for name in set(labels)), reverse=True)
    return None if counts[0][0] == counts[1][0] else counts[0][1]


def _counts(labels: Sequence[Any], rows: Sequence[Sequence[int]], kept: Sequence[int]) -> dict[str, int]:
    alike = sum(len(among) - len({labels[place] for place in among}) for among in rows)
    differing = [among for among in rows if len({labels[place] for place in among}) > 1]
    left_out = len(rows) - len(kept)
    what = "decided by the majority" if labels and isinstance(labels[0], str) else "averaged"
    return {
        "duplicate rows dropped": alike,
        f"pairs of several labels, {what}": len(differing) - left_out,
        **({"pairs of two labels as frequent as each other, left out": left_out} if left_out else {}),
    }
