"""Further targets of the task: their columns, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from medplug.core.errors import DataError
from medplug.core.task import Examples
from medplug.plugins.multimodal.options import MultimodalData
from medplug.plugins.multimodal.task import MultimodalDiagnosis

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Made = Callable[..., MultimodalDiagnosis]
VALUES = {"tabular": ["lab_*"]}


def test_columns_are_named_alone_in_a_list_or_with_their_kinds_in_any_order() -> None:
    for given in ("sex", ["sex"], {"sex": "auto"}):
        assert MultimodalData(**VALUES, also=given).also == {"sex": "auto"}
    one = MultimodalData(**VALUES, also={"sex": "auto", "lab_a": "regression"})
    two = MultimodalData(**VALUES, also={"lab_a": "regression", "sex": "auto"})
    assert list(one.also) == list(two.also) == ["lab_a", "sex"]
    assert one.model_dump(mode="json")["also"] == {"lab_a": "regression", "sex": "auto"}


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"tabular": ["age", "sex"], "also": "sex"}, "data.tabular names 'sex', which is what is predicted"),
        ({"text": "note", "also": ["note"]}, "data.text names 'note'"),
        ({"text": "note", "also": ["label"]}, "data.also names 'label', which is what is predicted anyway"),
        ({"text": "note", "time": "t", "event": "e", "also": ["e"]}, "data.also names 'e'"),
        ({"text": "note", "also": {"t": "survival"}}, "auto"),
        ({"text": "note", "also": {"t": "mask"}}, "auto"),
        ({"text": "note", "also": [""]}, "at least 1 character"),
    ],
)
def test_an_input_the_label_and_other_kinds_are_refused(keys: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        MultimodalData(**keys)


def test_no_pattern_makes_an_input_of_what_is_learned_along(task: Made, read: Read) -> None:
    table = {"lab_a": [1.0, 2.0], "lab_b": [3.0, 4.0], "label": ["x", "y"]}
    for values in (["lab_*"], "*"):
        asked = task({"tabular": values, "also": {"lab_b": "regression"}})
        found, _ = read(asked, table)
        assert [row.numbers.tolist() for row in found.inputs["tabular"]] == [[1.0], [2.0]]
        assert found.also == {"lab_b": [3.0, 4.0]}


def test_its_columns_are_needed_where_rows_are_labelled(task: Made, read: Read) -> None:
    asked = task({**VALUES, "also": ["sex"]})
    assert asked.columns(labelled=True)["data.also (sex)"] == "sex"
    assert "data.also (sex)" not in asked.columns(labelled=False)
    with pytest.raises(DataError, match=r"data\.also \(sex\)"):
        read(asked, {"lab_a": [1.0], "label": ["x"]})
    assert read(asked, {"lab_a": [1.0]}, labelled=False)[0].also == {}


def test_a_missing_label_keeps_the_row_and_a_bad_one_is_told(task: Made, read: Read) -> None:
    asked = task({**VALUES, "also": {"sex": "auto", "stay": "regression"}})
    table = {"lab_a": [1.0, 2.0, 3.0], "label": ["x", "y", "x"], "sex": ["F", None, "M"], "stay": ["3", "", "long"]}
    found, problems = read(asked, table)
    assert problems == [(3, "stay", "the cell is not a number")]
    assert found.also == {"sex": ["F", None], "stay": [3.0, None]}
    targets = asked.also_targets(Examples(np.arange(3), {}, also={"sex": ["F", None, "M"], "stay": [1.0, 2.0, None]}))
    assert {name: target.kind for name, target in targets.items()} == {"sex": "binary", "stay": "regression"}
