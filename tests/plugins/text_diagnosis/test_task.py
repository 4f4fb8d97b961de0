from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.reading import read_examples
from medplug.core.errors import ConfigError, DataError
from medplug.core.task import Examples
from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions
from medplug.plugins.text_diagnosis.task import TextDiagnosis

TABLE = "notes.csv"


def task(data: dict[str, Any] | None = None, **options: Any) -> TextDiagnosis:
    return TextDiagnosis(TextDiagnosisOptions(**options), TextDiagnosisData(**(data or {})))


def read(
    table: dict[str, Any], data: dict[str, Any] | None = None, *, labelled: bool = True, **options: Any
) -> tuple[Examples, list[tuple[int, str, str]]]:
    asked = task(data, **options)
    found, problems = read_examples(asked, asked.data, pl.DataFrame(table, strict=False), TABLE, labelled=labelled)
    return found, [(problem.row, problem.column, problem.reason) for problem in problems.found]


def labels(column: Any, **options: Any) -> list[Any] | None:
    texts = [f"text {i}" for i in range(len(column))]
    found, problems = read({"text": texts, "label": column}, **options)
    assert problems == []
    return found.labels


def test_texts_come_cleaned_with_row_numbers_from_one() -> None:
    found, problems = read({"text": [" ａ  cough ", "fever"], "label": ["x", "y"]})
    assert (found.inputs, found.labels, problems) == ({"text": ["a cough", "fever"]}, ["x", "y"], [])
    assert found.rows.tolist() == [1, 2]
    assert found.groups is None


def test_a_table_to_predict_on_needs_no_label_and_no_patient() -> None:
    found, problems = read({"text": ["cough"]}, {"group": "patient"}, labelled=False)
    assert (len(found), found.labels, found.groups, problems) == (1, None, None, [])
    assert task().columns(labelled=False) == {"data.text": "text"}


def test_the_needed_columns_are_told_by_their_key() -> None:
    one = task({"text": "note", "label": "icd"}).columns(labelled=True)
    assert one == {"data.text": "note", "data.label": "icd"}
    several = task({"label": ["cough", "fever"]}).columns(labelled=True)
    assert several == {"data.text": "text", "data.label[0]": "cough", "data.label[1]": "fever"}


def test_empty_texts_and_labels_are_named_by_row_and_left_out() -> None:
    table = {"text": ["kept", None, "  ", "\u200b", "secret"], "label": ["x", "x", "y", "y", " "]}
    found, problems = read(table)
    assert found.inputs["text"] == ["kept"]
    assert problems == [
        *[(row, "text", "the text is empty") for row in (2, 3, 4)],
        (5, "label", "the label is empty"),
    ]
    assert "secret" not in str(problems)


def test_a_text_of_nothing_but_stop_words_is_empty() -> None:
    assert read({"text": ["the"], "label": ["x"]}, stop_words="en")[1] == [(1, "text", "the text is empty")]


def test_codes_stay_as_they_are_written() -> None:
    assert labels(["1E50", " 007", "1.0", "E11.9"]) == ["1E50", "007", "1.0", "E11.9"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [([1, 0], ["1", "0"]), ([1.0, 0.5], ["1", "0.5"]), ([True, False], ["true", "false"]), ([2.0, -3.0], ["2", "-3"])],
)
def test_numbers_and_truth_values_are_written_as_in_a_csv(column: list[Any], expected: list[str]) -> None:
    assert labels(column) == expected


def test_a_label_that_is_not_a_number_is_empty() -> None:
    assert read({"text": ["a", "b"], "label": [1.0, float("nan")]})[1] == [(2, "label", "the label is empty")]


@pytest.mark.parametrize(
    ("table", "data", "options"),
    [
        ({"label": [["b", "a"], [], ["a", "a"]]}, {}, {}),
        ({"label": ["b; a", "; ", "a;;a "]}, {}, {"target": "multilabel"}),
        ({"b": [1, 0, 0], "a": ["1.0", "0", "1"]}, {"label": ["b", "a"]}, {}),
    ],
)
def test_several_labels_are_read_three_ways(table: Any, data: Any, options: Any) -> None:
    found, problems = read({"text": ["one", "two", "three"]} | table, data, **options)
    assert [set(label) for label in found.labels or []] in ([{"a", "b"}, set(), {"a"}], [{"a", "b"}, {"a"}])
    assert problems == ([(2, "label", "the label is empty")] if options else [])


def test_the_separator_can_be_chosen_and_splits_only_for_multilabel() -> None:
    assert labels(["a|b", "b"], target="multilabel", separator="|") == [("a", "b"), ("b",)]
    assert labels(["a;b", "b"]) == ["a;b", "b"]


def test_a_list_may_hold_numbers_and_lie_in_a_fixed_width_array() -> None:
    assert labels(pl.Series([[1, 2], [2, 2]])) == [("1", "2"), ("2",)]
    assert labels(pl.Series([[1, 2], [2, 2]], dtype=pl.Array(pl.Int64, 2))) == [("1", "2"), ("2",)]


def test_a_missing_list_and_a_list_with_a_hole_are_named() -> None:
    table = {"text": ["a", "b", "c"], "label": [["x"], None, ["y", None]]}
    assert read(table)[1] == [(2, "label", "the label is empty"), (3, "label", "the list holds an empty label")]


def test_anything_but_0_or_1_in_a_0_1_column_is_named() -> None:
    table = {"text": list("abcde"), "cough": [0, 1, 2, None, 1], "fever": ["true", "False", "0", "1", "maybe"]}
    found, problems = read(table, {"label": ["cough", "fever"]})
    assert found.labels == [("fever",), ("cough",)]
    assert problems == [
        (4, "cough", "the cell is empty; 0 or 1 is needed"),
        (3, "cough", "the cell is neither 0 nor 1"),
        (5, "fever", "the cell is neither 0 nor 1"),
    ]


@pytest.mark.parametrize(("column", "data"), [([["a"]], {}), ([1], {"label": ["label"]})])
def test_several_labels_are_refused_where_one_is_asked_for(column: Any, data: Any) -> None:
    with pytest.raises(ConfigError, match="task.target=multilabel"):
        read({"text": ["a"], "label": column}, data, target="binary")


def test_a_column_of_lists_is_no_text() -> None:
    with pytest.raises(DataError, match="data.text: column 'text' holds List"):
        read({"text": [["a"]], "label": ["x"]})


def test_patients_and_sites_are_read_as_text_and_must_not_be_empty() -> None:
    table = {"text": ["a", "b", "c"], "label": ["x", "y", "x"], "who": [7.0, None, 8.0], "where": ["A", "A", " "]}
    found, problems = read(table, {"group": "who", "site": "where"})
    assert (found.groups, found.sites) == (["7"], ["A"])
    assert problems == [(2, "who", "the group is empty"), (3, "where", "the site is empty")]


def test_the_target_of_columns_has_them_as_classes_in_order() -> None:
    assert task({"label": ["b", "a"]}).target([("a",), ("b",)]).classes == ("b", "a")


def test_the_first_metric_suits_the_target() -> None:
    first = {kind: task().metrics(task().target(y))[0] for kind, y in {
        "binary": ["0", "1"], "multiclass": ["a", "b", "c"], "multilabel": [("a",), ("b",)],
    }.items()}  # fmt: skip
    assert first == {"binary": "f1", "multiclass": "macro_f1", "multilabel": "macro_f1"}


def examples(texts: list[str], labels: list[Any]) -> Examples:
    return Examples(np.arange(1, len(texts) + 1), {"text": texts}, labels)


def test_repeated_training_rows_are_dropped_and_the_first_kept() -> None:
    kept, counts = task().tidy(examples(["a", "b", "a", "a"], ["x", "x", "x", "y"]))
    assert kept.rows.tolist() == [1, 2, 4]
    assert counts == {"duplicate rows dropped": 1, "rows whose text carries several labels": 2}


def test_repeated_rows_are_kept_when_asked_for() -> None:
    kept, counts = task(deduplicate=False).tidy(examples(["a", "a", "a"], ["x", "x", "y"]))
    assert len(kept) == 3
    assert counts == {"rows whose text carries several labels": 3}


def test_the_sample_is_read_with_the_columns_that_the_task_names() -> None:
    ours = task(dict(TextDiagnosis.sample_columns))
    found, problems = read_examples(ours, ours.data, ours.sample(), "the sample", labelled=True)
    problems.stop()
    assert (len(found), len(set(found.groups or [])), len(set(found.sites or []))) == (480, 260, 3)
    assert ours.target(found.labels or []).kind == "multiclass"
    assert ours.plain_features().fit_transform(found.inputs["text"]).shape[0] == 480
