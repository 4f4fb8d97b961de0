"""Entities: each distinct one is read once, and its fault is told of every row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medplug.core.data.entities import distinct, read_entities
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError


def test_distinct_values_stand_in_the_order_of_their_first_row_and_are_gathered_back() -> None:
    values = ["b", "a", "b", "c", "a"]
    once, at = distinct(values)
    assert once == ["b", "a", "c"] and [once[place] for place in at] == values
    assert distinct([])[1].dtype == np.int64


def test_each_distinct_cell_is_read_once_and_a_bad_one_is_told_of_each_of_its_rows() -> None:
    seen: list[str] = []

    def read(text: str) -> str:
        seen.append(text)
        if text == "bad":
            raise DataError("it is bad")
        return text.upper()

    column = pl.Series("drug", ["a", "bad", None, " a ", "bad", ""])
    problems = Problems("t")
    found = read_entities(column, read, problems, key="data.smiles", what="SMILES", empty_ok=False)
    assert found == ["A", None, None, "A", None, None] and sorted(seen) == ["a", "bad"]
    told = [(problem.row, problem.column, problem.reason) for problem in problems.in_order()]
    empty = "the SMILES is empty"
    assert told == [
        (2, "drug", "it is bad"),
        (3, "drug", empty),
        (5, "drug", "it is bad"),
        (6, "drug", empty),
    ]


def test_empty_cells_may_be_allowed() -> None:
    problems = Problems("t")
    column = pl.Series("drug", ["a", None])
    assert read_entities(column, str, problems, key="k", what="SMILES", empty_ok=True) == ["a", None]
    assert not problems.found


def test_a_column_of_lists_is_refused_by_its_key() -> None:
    with pytest.raises(DataError, match=r"data\.smiles: column 'drug'"):
        column = pl.Series("drug", [["a"]])
        read_entities(column, str, Problems("t"), key="data.smiles", what="SMILES", empty_ok=False)
