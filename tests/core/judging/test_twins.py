"""Scores without the test rows that were seen before."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.twins import Twins
from medplug.core.evaluation.scores import Estimate
from medplug.core.judging.twins import without_twins

GROUPS = ["p", "q", "r", "s"]


def scored(rows: np.ndarray, groups: list[str] | None) -> dict[str, Estimate]:
    """A metric that tells which rows, and how many groups, were scored."""
    return {"mae": Estimate(float(rows.sum()), 0.0, float(len(groups or [])))}


def flags(*values: int) -> np.ndarray:
    return np.array(values, dtype=bool)


def test_rows_with_a_twin_are_left_out_with_their_groups() -> None:
    found = without_twins(Twins(flags(1, 0, 0, 0), flags(1, 0, 0, 1), "nearly"), GROUPS, scored)
    assert found["same"] == {"n_left": 3, "n_twins": 1, "metrics": {"mae": {"value": 6.0, "ci95": [0.0, 3.0]}}}
    assert found["near"]["metrics"]["mae"] == {"value": 3.0, "ci95": [0.0, 2.0]}
    assert (found["near"]["n_left"], found["near"]["means"]) == (2, "nearly")


@pytest.mark.parametrize(("all_of_them", "left"), [(1, 0), (0, 4)])
def test_with_nothing_left_or_nothing_left_out_only_counts_are_told(all_of_them: int, left: int) -> None:
    found = without_twins(Twins(flags(*[all_of_them] * 4)), None, scored)
    assert found == {"same": {"n_left": left, "n_twins": 4 - left}}


def test_nothing_is_told_where_nothing_was_compared() -> None:
    assert without_twins(None, None, scored) == {}
