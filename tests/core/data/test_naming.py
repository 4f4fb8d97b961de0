"""Texts that name the label are counted, class by class, without quoting one."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.naming import Named, named_labels
from medplug.core.data.targets import Target
from medplug.core.task import Examples


def rows(texts: list[str | None], labels: list[object]) -> dict[str, Examples]:
    first = Examples(np.arange(1, 3), {"text": texts[:2]}, labels[:2])
    return {"train": first, "test": Examples(np.arange(3, len(texts) + 1), {"text": texts[2:]}, labels[2:])}


def test_a_class_is_found_by_its_name_in_any_case_and_with_any_joint() -> None:
    texts = ["Known COVID 19.", "covid-19 ruled out", "Covid_19 again", "pericarditis", None]
    labels = ["COVID-19", "SARS", "COVID-19", "COVID-19", "SARS"]
    found = named_labels(rows(texts, labels), Target("multiclass", ("COVID-19", "SARS", "flu")), "finding")
    assert found == [Named("text", "COVID-19", 3, 2, 2, 1)]


def test_a_name_within_another_word_is_none_but_one_may_have_an_ending() -> None:
    texts = ["scars healed", "sars", "SARS-like", "no scar"]
    found = named_labels(rows(texts, ["SARS"] * 4), Target("multiclass", ("SARS", "flu")), "finding")
    assert found == [Named("text", "SARS", 4, 2, 0, 0)]


@pytest.mark.parametrize("column", ["is_covid", "covid", "COVID_status"])
def test_the_column_stands_for_the_positive_class_of_zeros_and_ones(column: str) -> None:
    found = named_labels(
        rows(["covid+", "well", "Covid", "x"], ["1", "0", "1", "0"]), Target("binary", ("0", "1")), column
    )
    assert found == [Named("text", "1", 2, 2, 2, 0)]


def test_names_that_say_nothing_are_not_looked_for() -> None:
    splits = rows(["yes", "label 1", "no", "positive"], ["yes", "no", "yes", "no"])
    assert named_labels(splits, Target("binary", ("no", "yes")), "label") == []
    assert named_labels(splits, Target.numeric("label", [1.0, 2.0]), "label") == []


def test_chinese_names_are_found_without_spaces() -> None:
    found = named_labels(
        rows(["诊断为肺炎。", "健康", "肺炎", "咳嗽"], ["肺炎", "阴性", "肺炎", "阴性"]),
        Target("binary", ("阴性", "肺炎")),
        "诊断",
    )
    assert found == [Named("text", "肺炎", 2, 2, 2, 0)]


def test_a_class_that_other_rows_name_as_often_tells_nothing() -> None:
    assert Named("text", "flu", 10, 5, 90, 2).tells
    assert not Named("text", "flu", 10, 5, 90, 40).tells
    assert not Named("text", "flu", 10, 2, 90, 0).tells


def test_several_labels_a_row_and_inputs_that_are_no_texts_are_fine() -> None:
    splits = rows(["asthma", "copd", "asthma copd", "x"], [("asthma",), ("copd",), ("asthma",), ()])
    found = named_labels(splits, Target("multilabel", ("asthma", "copd")), ["asthma", "copd"])
    assert [(each.label, each.naming, each.others_naming) for each in found] == [("asthma", 2, 0), ("copd", 1, 1)]
    pictures = {"train": Examples(np.arange(1, 3), {"image": [np.zeros(2), np.ones(2)]}, ["flu", "sars"])}
    assert named_labels(pictures, Target("binary", ("flu", "sars")), "x") == []
