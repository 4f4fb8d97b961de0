"""The columns that a model needs of rows to predict on, and what their cells hold."""

from __future__ import annotations

from typing import Any

import pytest

from medplug.core.predicting.columns import NeededColumn, needed_columns
from medplug.core.task import Task


class Asking:
    """What the columns are told by; the rest of a task is not asked."""

    cells = Task.cells

    def __init__(self, slots: dict[str, Any], columns: dict[str, str], spared: list[tuple[str, ...]]) -> None:
        self.slots, self._columns, self._spared = slots, columns, spared

    def columns(self, *, labelled: bool) -> dict[str, str]:
        assert not labelled, "labels are nothing to ask of rows to predict on"
        return self._columns

    def columns_of_slots(self) -> list[tuple[str, ...]]:
        return self._spared


def needed(slots: dict[str, Any], columns: dict[str, str], spared: Any = ()) -> list[NeededColumn]:
    asking: Any = Asking(slots, columns, list(spared))
    return list(needed_columns(asking))


@pytest.mark.parametrize(
    ("modality", "cell"), [("text", "text"), ("image", "file"), ("signal", "file"), ("tabular", "value")]
)
def test_the_modality_of_the_only_slot_says_what_a_cell_holds_whatever_its_key(modality: str, cell: Any) -> None:
    assert needed({"one": modality}, {"data.other": "a"}) == [NeededColumn("a", "data.other", cell, True)]


def test_of_several_slots_each_key_begins_with_the_slot_whose_modality_counts() -> None:
    slots = {"text": "text", "image": "image", "tabular": "tabular"}
    columns = {"data.text": "note", "data.image{id}": "id", "data.tabular[0]": "age", "data.question": "asked"}
    found = needed(slots, columns, [("data.text",), ("data.tabular[0]",)])
    assert [(each.name, each.cell, each.required) for each in found] == [
        ("note", "text", False),
        ("id", "file", True),
        ("age", "value", False),
        ("asked", "text", True),
    ]


def test_a_column_that_two_keys_name_is_asked_for_once() -> None:
    found = needed({"text": "text"}, {"data.question": "a", "data.context": "a"})
    assert [each.name for each in found] == ["a"]
