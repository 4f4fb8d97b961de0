"""Pairs that stand in several rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medplug.core.data.problems import Problems
from medplug.core.task import Examples
from medplug.plugins.drug_target.repeats import once, refuse_conflicts


def examples(pairs: list[str], labels: list[Any]) -> Examples:
    """Pairs as two letters: the drug and the protein."""
    inputs = {"drug": [pair[0] for pair in pairs], "protein": [pair[1] for pair in pairs]}
    return Examples(np.arange(1, len(pairs) + 1), inputs, labels, names=[f"row {i}" for i in range(len(pairs))])


def test_the_numbers_of_a_pair_become_their_mean_in_its_first_row() -> None:
    found, counts = once(examples(["aX", "bX", "aX", "aY", "aX"], [5.0, 6.0, 7.0, 8.0, 9.0]))
    assert found.rows.tolist() == [1, 2, 4] and found.labels == [7.0, 6.0, 8.0]
    assert found.names == ["row 0", "row 1", "row 3"]
    assert counts == {"duplicate rows dropped": 0, "pairs of several labels, averaged": 1}


def test_a_row_that_repeats_pair_and_label_is_dropped_and_counted() -> None:
    found, counts = once(examples(["aX", "aX", "bX", "bX", "bX"], [5.1, 5.1, 6.0, 6.0, 9.0]))
    assert found.labels == [5.1, 7.0]
    assert counts == {"duplicate rows dropped": 2, "pairs of several labels, averaged": 1}


def test_of_classes_the_more_frequent_stays_and_a_tie_leaves_the_pair_out() -> None:
    found, counts = once(examples(["aX", "aX", "aX", "bX", "bX", "cX"], ["1", "0", "1", "0", "1", "0"]))
    assert list(zip(found.inputs["drug"], found.labels or [], strict=True)) == [("a", "1"), ("c", "0")]
    assert counts == {
        "duplicate rows dropped": 1,
        "pairs of several labels, decided by the majority": 1,
        "pairs of two labels as frequent as each other, left out": 1,
    }


def test_one_drug_with_two_proteins_is_two_pairs() -> None:
    train = examples(["aX", "aY", "bX"], [1.0, 2.0, 3.0])
    assert once(train)[0].labels == [1.0, 2.0, 3.0]


def test_nothing_is_done_to_no_rows() -> None:
    found, counts = once(examples([], []))
    assert len(found) == 0 and not any(counts.values())


@pytest.mark.parametrize("labels", [[5.0, 6.0, 5.0, 7.0, 5.0], ["1", "0", "1", "1", "1"]])
def test_conflicts_name_each_row_and_one_that_says_otherwise(labels: list[Any]) -> None:
    problems = Problems("t.csv")
    refuse_conflicts(examples(["aX", "bX", "aY", "bX", "aX"], labels), "Kd", problems)
    assert [(each.row, each.column) for each in problems.in_order()] == [(2, "Kd"), (4, "Kd")]
    first, second = (each.reason for each in problems.in_order())
    assert first.startswith("row 4 has the same drug and target") and second.startswith("row 2 ")


def test_a_row_that_is_bad_anyway_conflicts_with_none() -> None:
    problems = Problems("t.csv")
    problems.add([1], "Kd", "the label is empty")
    refuse_conflicts(examples(["aX", "aX"], [float("nan"), 5.0]), "Kd", problems)
    assert len(problems.found) == 1
