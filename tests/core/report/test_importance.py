"""The section of what a model relies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.sections.importance import section

Make = Callable[..., Evidence]


def estimate(value: float | None) -> dict[str, Any]:
    return {"value": value, "ci95": [None, None] if value is None else [value - 0.1, value + 0.1]}


def told(make: Make, slots: dict[str, Any], columns: dict[str, Any]) -> Evidence:
    evidence = make("binary")
    found = {"metric": "auroc", "rows": 40, "repeats": 3, "slots": slots, "columns": columns}
    return replace(evidence, scores={**evidence.scores, "importance": found})


def test_a_run_where_nothing_changed_places_has_no_such_section(make: Make) -> None:
    assert section(make("binary")) is None


def test_slots_come_first_and_then_columns_each_from_the_most_down_with_what_is_undefined_last(make: Make) -> None:
    columns = {"tabular": {"sex": estimate(0.01), "age": estimate(0.3), "dose": estimate(None)}}
    found = section(told(make, {"text": estimate(0.05), "tabular": estimate(0.35)}, columns))
    assert found is not None
    (table,) = found.tables
    assert [row[0] for row in table.rows] == ["all of tabular", "all of text", "age", "sex", "dose"]
    assert table.rows[2][1] == "+0.300 [+0.200, +0.400]" and not found.folded
    assert "40 test rows, 3 times over" in found.paragraphs[0]
    (picture,) = found.pictures
    assert picture.svg is not None and "age" in picture.svg and "dose" not in picture.svg


def test_of_many_columns_the_first_are_shown_and_the_rest_folded_and_two_tables_are_told_apart(make: Make) -> None:
    columns = {name: {f"c{i}": estimate(i / 100) for i in range(15)} for name in ("tabular", "genes")}
    found = section(told(make, {}, columns))
    assert found is not None
    assert (len(found.tables[0].rows), len(found.folded[0].rows)) == (20, 10)
    assert found.tables[0].rows[0][0] in ("tabular: c14", "genes: c14")


def test_where_no_value_is_defined_nothing_is_drawn_and_it_is_said(make: Make) -> None:
    found = section(told(make, {}, {"tabular": {"age": estimate(None)}}))
    assert found is not None and found.pictures[0].svg is None
