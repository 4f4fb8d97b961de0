from __future__ import annotations

from typing import Any

import pytest

from medplug.core.data.classes import CODES, target_of
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError


def target(labels: list[Any], *, target: Any = "auto", positive: str | None = None) -> Target:
    return target_of(labels, target, positive)


def test_two_classes_are_binary_and_more_are_multiclass() -> None:
    assert target(["b", "a", "b"]) == Target("binary", ("a", "b"))
    assert target(["c", "a", "b"]) == Target("multiclass", ("a", "b", "c"))


def test_tuples_are_multilabel_even_with_empty_ones() -> None:
    assert target([("cough", "fever"), (), ("fever",)]) == Target("multilabel", ("cough", "fever"))


def test_two_classes_may_be_asked_to_be_multiclass() -> None:
    assert target(["a", "b"], target="multiclass").outputs == 2


def test_numbers_are_sorted_as_numbers_and_codes_as_text() -> None:
    assert target(["10", "9", "-1"]).classes == ("-1", "9", "10")
    assert target(["1E50", "007", "7"]).classes == ("007", "1E50", "7")


@pytest.mark.parametrize(
    "classes",
    [
        ("0", "1"),
        ("no", "yes"),
        ("No", "Yes"),
        ("false", "true"),
        ("阴性", "阳性"),
        ("否", "是"),
        ("normal", "abnormal"),
    ],
)
def test_the_positive_class_is_known_by_its_name(classes: tuple[str, str]) -> None:
    assert target([*classes]).classes == classes
    assert target([*classes[::-1]]).classes == classes


def test_the_negative_class_is_known_by_its_name() -> None:
    assert target(["normal", "flu"]).classes == ("normal", "flu")


def test_the_positive_class_can_be_chosen() -> None:
    assert target(["0", "1"], positive="0").classes == ("1", "0")


def test_a_positive_class_that_is_none_of_the_classes_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"task.positive=malignat .*did you mean malignant\?.*benign, malignant"):
        target(["benign", "malignant"], positive="malignat")


def test_a_positive_class_of_a_multiclass_target_is_refused() -> None:
    with pytest.raises(ConfigError, match="task.positive is for a binary target; this one is multiclass"):
        target(["a", "b", "c"], positive="a")


def test_a_single_class_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="1 class"):
        target(["a", "a"])
    with pytest.raises(DataError, match="0 class"):
        target([(), ()])


def test_three_classes_are_not_binary() -> None:
    with pytest.raises(ConfigError, match=r"task.target=binary.* 3 classes"):
        target(["a", "b", "c"], target="binary")


def test_one_label_a_row_is_not_multilabel_and_several_are_not_multiclass() -> None:
    with pytest.raises(ConfigError, match="a row has one label"):
        target(["a", "b"], target="multilabel")
    with pytest.raises(ConfigError, match="a row has several labels"):
        target([("a",), ("b",)], target="multiclass")


def test_a_label_for_nearly_every_row_is_a_wrong_column_and_none_is_quoted() -> None:
    with pytest.raises(DataError, match=r"is data.label the right column\?") as caught:
        target([f"secret-{i}" for i in range(80)])
    assert "secret" not in str(caught.value)


def test_many_classes_with_rows_enough_are_fine() -> None:
    assert target([f"F{i}" for i in range(80)] * 2).outputs == 80


def test_of_many_different_numbers_it_must_be_said_what_they_are() -> None:
    pressures = [f"{120 + i / 2}" for i in range(CODES + 1)] * 3
    with pytest.raises(
        DataError, match=r"21 different labels, all of them numbers: .*multiclass.*task.target=regression"
    ):
        target(pressures)
    assert target(pressures, target="multiclass").outputs == CODES + 1
    assert target([*pressures, "none"]).kind == "multiclass"
    assert target([str(i) for i in range(CODES)]).outputs == CODES


def test_columns_give_the_classes_in_their_order() -> None:
    assert target_of([("a",), ("b",)], columns=["b", "a"]).classes == ("b", "a")


def test_a_column_that_no_training_row_marks_is_named() -> None:
    with pytest.raises(DataError, match="no training row has a 1 in rare"):
        target_of([("a",), ()], columns=["a", "rare"])
