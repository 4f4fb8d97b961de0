from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.also import also_target, encode, read_also
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError
from medplug.core.task import Examples

Found = tuple[dict[str, list[Any]], list[tuple[int, str, str]]]


def read(table: dict[str, Any], **kinds: Any) -> Found:
    problems = Problems("table.csv")
    found = read_also(pl.DataFrame(table), kinds, ";", problems)
    return found, [(problem.row, problem.column, problem.reason) for problem in problems.in_order()]


def test_an_empty_cell_is_a_label_that_is_missing_and_no_bad_row() -> None:
    table = {
        "sex": ["F", None, " ", "M"],
        "stay": [None, 2.0, float("nan"), 5.5],
        "signs": ["rash; fever", "", None, "rash"],
        "codes": [["a"], None, [], ["b", "a"]],
    }
    found, problems = read(table, sex="auto", stay="regression", signs="multilabel", codes="auto")
    assert found == {
        "sex": ["F", None, None, "M"],
        "stay": [None, 2.0, None, 5.5],
        "signs": [("fever", "rash"), None, None, ("rash",)],
        "codes": [("a",), None, (), ("a", "b")],
    }
    assert problems == []


def test_a_cell_that_is_no_label_is_a_bad_row_by_its_number_in_the_table() -> None:
    _, problems = read({"stay": [None, "3", None, "long", "1,5"]}, stay="regression")
    assert [(row, column) for row, column, _ in problems] == [(4, "stay"), (5, "stay")]


def test_a_column_that_the_table_lacks_is_left_out() -> None:
    assert read({"sex": ["F"]}, sex="auto", stay="regression")[0] == {"sex": ["F"]}


def test_lists_are_refused_where_one_label_a_row_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"data\.also \(codes\).*lists"):
        read({"codes": [["a"]]}, codes="binary")
    with pytest.raises(DataError, match=r"data\.also \(codes\)"):
        read({"codes": [b"a"]}, codes="auto")


def test_a_target_is_learned_from_the_labels_there_are() -> None:
    assert also_target("sex", "auto", ["M", None, "F"]) == Target("binary", ("F", "M"))
    number = also_target("stay", "regression", [None, 1.0, 3.0])
    assert (number.kind, number.classes, number.centre, number.scale) == ("regression", ("stay",), 2.0, 1.0)
    assert also_target("signs", "multilabel", [("a",), None, ()]).kind == "multilabel"


@pytest.mark.parametrize(("kind", "labels"), [("auto", [None, None]), ("regression", [1.0, None]), ("binary", "abc")])
def test_labels_that_cannot_be_learned_are_told_without_their_content(kind: Any, labels: Any) -> None:
    with pytest.raises(DataError, match=r"data\.also \(stay\): \d of \d training rows") as told:
        also_target("stay", kind, list(labels))
    assert "data.label" not in str(told.value) and "task.target" not in str(told.value)


def test_labels_that_are_missing_or_that_training_lacks_are_not_known() -> None:
    labels, known = encode(Target("multiclass", ("a", "b", "c")), ["c", None, "x", "b"])
    assert (labels.tolist(), known.tolist()) == ([2, 0, 0, 1], [True, False, False, True])
    labels, known = encode(Target("multilabel", ("a", "b")), [None, ("b",), ("a", "z"), ()])
    assert (labels.tolist(), known.tolist()) == ([[0, 0], [0, 1], [0, 0], [0, 0]], [False, True, False, True])
    labels, known = encode(Target("regression", ("stay",)), [None, 2.5])
    assert (labels.tolist(), known.tolist()) == ([0.0, 2.5], [False, True])


def test_labels_go_with_their_rows() -> None:
    def some(first: int, also: dict[str, list[Any]]) -> Examples:
        return Examples(np.arange(first, first + 2), {"text": ["a", "b"]}, ["x", "y"], also=also)

    one, two = some(1, {"sex": ["F", None], "stay": [1.0, 2.0]}), some(3, {"sex": [None, "M"]})
    assert one.take(np.array([1, 0])).also == {"sex": [None, "F"], "stay": [2.0, 1.0]}
    assert one.followed_by(two).also == {"sex": ["F", None, None, "M"]}
