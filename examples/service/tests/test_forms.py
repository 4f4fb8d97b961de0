"""The forms: what a cell may be, and models that are not served."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from medplug.core.predicting.columns import NeededColumn
from pydantic import ValidationError

from medplug_service.forms import forms_of


class Stand:
    """What the forms ask of a model."""

    columns_given = pl.Schema({"row": pl.Int64(), "prediction": pl.List(pl.String()), "p_a b": pl.Float64()})

    def __init__(self, *columns: NeededColumn) -> None:
        self.columns_needed = columns


def needed(name: str, cell: Any, *, required: bool = True) -> NeededColumn:
    return NeededColumn(name, f"data.{name}", cell, required)


def taken(stand: Any, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    asked: Any = forms_of(stand, 3).asked.model_validate({"rows": list(rows)})
    return [row.model_dump(by_alias=True, exclude_unset=True) for row in asked.rows]


def test_cells_keep_what_they_hold_and_columns_that_are_not_given_stay_out() -> None:
    stand = Stand(needed("json", "text"), needed("age", "number", required=False), needed("choices", "texts"))
    row = {"json": "007", "age": 3, "choices": ["a", "b"]}
    assert taken(stand, row, {"json": None, "choices": None}) == [row, {"json": None, "choices": None}]


@pytest.mark.parametrize(
    ("given", "kept"), [(1, "1"), (1.0, "1"), ("1", "1"), (0.5, "0.5"), (True, "true"), (None, None)]
)
def test_categories_may_be_numbers_and_are_then_written_as_tables_write_them(given: Any, kept: Any) -> None:
    assert taken(Stand(needed("sex", "value")), {"sex": given}) == [{"sex": kept}]


@pytest.mark.parametrize(
    "rows",
    [
        [{"note": 7, "age": 1}],
        [{"note": "a", "age": "1"}],
        [{"note": "a", "age": True}],
        [{"note": "a\ud800", "age": 1}],
        [{"note": "a"}],
        [{"note": "a", "age": 1, "other": 1}],
        [],
        [{"note": "a", "age": 1}] * 4,
    ],
)
def test_other_types_unknown_or_missing_columns_and_too_many_rows_are_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        taken(Stand(needed("note", "text"), needed("age", "number")), *rows)


def test_answers_have_the_columns_of_predictions_under_their_own_names() -> None:
    stand: Any = Stand(needed("note", "text"))
    found = {"row": 1, "prediction": ["a"], "p_a b": 0.25}
    answered = forms_of(stand, 3).answered(model={"run": "r", "sha256": "s"}, predictions=[found])
    assert answered.model_dump(by_alias=True)["predictions"] == [found]


def test_a_model_that_reads_files_is_not_served() -> None:
    stand: Any = Stand(needed("scan", "file"))
    with pytest.raises(ValueError, match=r"'scan' \(data\.scan\); this service takes texts and values only"):
        forms_of(stand, 3)
