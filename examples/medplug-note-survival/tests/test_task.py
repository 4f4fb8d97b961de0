"""How notes and their follow-up are read, and what the sample tells."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError
from pydantic import ValidationError

from medplug_note_survival.options import NoteSurvivalData, NoteSurvivalOptions
from medplug_note_survival.sample import sample
from medplug_note_survival.task import NoteSurvival, ended


def task(horizon: float | None = None, **columns: str) -> NoteSurvival:
    return NoteSurvival(NoteSurvivalOptions(horizon=horizon), NoteSurvivalData(**columns))


def read(table: dict[str, list[Any]], horizon: float | None = None) -> tuple[Any, list[tuple[int, str]]]:
    problems = Problems("the table")
    found = task(horizon).examples(pl.DataFrame(table), problems, labelled=True)
    return found, [(problem.row, problem.column) for problem in problems.in_order()]


def test_a_row_is_a_note_with_a_time_and_whether_the_event_came() -> None:
    found, bad = read({"note": ["well", "unwell"], "days": [30.0, 2.5], "readmitted": ["no", "yes"]})
    assert not bad
    assert found.inputs == {"text": ["well", "unwell"]}
    assert found.labels == [(30.0, False), (2.5, True)]


def test_every_bad_cell_is_named_by_row_and_column_and_none_is_quoted() -> None:
    table = {
        "note": ["zyx", None, "zyx", " ", "zyx", "zyx"],
        "days": [-3, 20, 31, 4, None, 0],
        "readmitted": [0, 1, 2, 1, 0, None],
    }
    _, bad = read(table)
    assert bad == [
        (1, "days"),
        (2, "note"),
        (3, "readmitted"),
        (4, "note"),
        (5, "days"),
        (6, "days"),
        (6, "readmitted"),
    ]
    problems = Problems("the table")
    task().examples(pl.DataFrame(table), problems, labelled=True)
    assert not any("zyx" in problem.reason or "-3" in problem.reason for problem in problems.found)


def test_what_comes_after_the_horizon_is_not_seen_yet() -> None:
    assert ended((30.0, True), 30) == (30.0, True)
    assert ended((31.0, True), 30) == (30.0, False)
    assert ended((31.0, False), 30) == (30.0, False)
    assert ended((31.0, True), None) == (31.0, True)
    found, _ = read({"note": ["a", "b"], "days": [40, 12], "readmitted": [1, 1]}, horizon=30)
    assert found.labels == [(30.0, False), (12.0, True)]


def test_the_target_says_how_far_was_looked() -> None:
    labels = [(3.0, True), (9.0, False)]
    assert task().target(labels).classes == ("readmitted",)
    assert task(30).target(labels).classes == ("readmitted within 30",)
    with pytest.raises(DataError, match="none of the 1 training rows has the event readmitted within 30"):
        task(30).target([(30.0, False)])


def test_one_column_is_not_taken_for_two() -> None:
    with pytest.raises(ValidationError, match="name one column twice"):
        task(time="readmitted")


def test_labels_are_asked_for_only_where_rows_have_them() -> None:
    assert task().columns(labelled=False) == {"data.text": "note"}
    assert set(task(text="letter").columns(labelled=True).values()) == {"letter", "days", "readmitted"}


def test_the_samples_notes_tell_how_soon_patients_come_back() -> None:
    table = sample()
    assert table.equals(sample()) and table.height == 400
    assert 0.4 < table["readmitted"].mean() < 0.8  # type: ignore[operator]
    worse = table.filter(pl.col("note").str.contains("(?i)third admission"))
    better = table.filter(pl.col("note").str.contains("(?i)first admission"))
    assert worse["days"].median() < 0.5 * better["days"].median()  # type: ignore[operator]
    assert max(map(len, table.partition_by("patient"))) == 2
