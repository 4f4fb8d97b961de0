from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from medplug.core.data.labels import label_columns, read_labels
from medplug.core.data.problems import Problems
from medplug.core.errors import ConfigError


def labels(column: Any, asked: Any = "auto", separator: str = ";", **more: Any) -> tuple[list[Any], set[int]]:
    problems = Problems("t")
    table = pl.DataFrame({"label": column, **more}, strict=False)
    found = read_labels(table, tuple(more) or "label", asked, separator, problems)
    return found, problems.rows


def test_the_columns_are_told_by_their_key() -> None:
    assert label_columns("icd") == {"data.label": "icd"}
    assert label_columns(("cough", "fever")) == {"data.label[0]": "cough", "data.label[1]": "fever"}


def test_one_label_a_row_is_a_text() -> None:
    assert labels(["a;b", None, " c "]) == (["a;b", None, "c"], {2})
    assert labels([1.0, 0.0]) == (["1", "0"], set())


def test_joined_labels_are_parted_where_several_are_asked_for() -> None:
    assert labels(["b|a", "|"], "multilabel", "|") == ([("a", "b"), ()], {2})


def test_lists_and_0_1_columns_hold_several_labels() -> None:
    assert labels([["b", "a"], []]) == ([("a", "b"), ()], set())
    assert labels([0, 0], cough=[1, 2], fever=[1, 0]) == ([("cough", "fever"), ()], {2})


@pytest.mark.parametrize("asked", ["binary", "multiclass"])
def test_several_labels_are_refused_where_one_is_asked_for(asked: str) -> None:
    with pytest.raises(ConfigError, match=f"column 'label' holds lists.* task.target=multilabel .*, not {asked}"):
        labels([["a"]], asked)
    with pytest.raises(ConfigError, match="data.label names several columns"):
        labels([0], asked, cough=[1])
