"""Columns of a table as numbers and categories: which is which, how cells are read, and what is told of bad ones."""

from __future__ import annotations

import math
import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medplug.core.data import tabular
from medplug.core.data.problems import Problems
from medplug.core.data.tabular import MISSING_MARKS, TableColumns, TableRow, choose_columns, expand_columns, read_rows
from medplug.core.errors import DataError

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"


def chosen(table, categorical=(), names=None):
    return choose_columns(table, names or table.columns, categorical, "data.tabular")


def read(table, columns=None):
    problems = Problems("table")
    rows = read_rows(table, columns or chosen(table), problems)
    return rows, [(each.row, each.column, each.reason) for each in problems.in_order()]


# ---- which columns


def test_numbers_are_told_from_categories_by_type_and_by_cells():
    table = pl.DataFrame(
        {
            "whole": [1, 2],
            "written": ["1", " -2.5e3 "],
            "marked": ["?", "4"],
            "word": ["1", "high"],
            "truth": [True, False],
            "day": [date(2020, 1, 1), None],
            "empty": pl.Series([None, None], dtype=pl.String),
            "blank": ["", "NA"],
            "comma": ["3,5", "4"],
            "fraction": [0.5, math.nan],
        }
    )
    columns = chosen(table)
    assert columns.numeric == ("whole", "written", "marked", "empty", "blank", "comma", "fraction")
    assert columns.categorical == ("word", "truth", "day")
    assert chosen(table, ["whole"]).categorical == ("whole", "word", "truth", "day")


@pytest.mark.parametrize("column", [pl.Series([[1], [2]]), pl.Series([b"1", b"2"])])
def test_lists_and_bytes_are_refused(column):
    with pytest.raises(DataError, match="data.tabular: column 'a' holds"):
        chosen(pl.DataFrame({"a": column}))


def test_a_category_must_be_among_the_columns():
    with pytest.raises(DataError, match="data.categorical names 'b', which is not among the columns of data.tabular"):
        chosen(pl.DataFrame({"a": [1], "b": [2]}), ["b"], ["a"])
    with pytest.raises(DataError, match=r"names 'sx', which .* of data.tabular; did you mean sex\?; add it there"):
        chosen(pl.DataFrame({"sex": [1]}), ["sx"], ["sex"])


def test_patterns_mean_columns_in_the_tables_order_each_once():
    there = ["gene_2", "age", "gene_1", "gene_[x]"]
    assert expand_columns(there, ["gene_1", "gene_*", "age"]) == ("gene_1", "gene_2", "gene_[x]", "age")
    assert expand_columns(there, ["gene_[x]"]) == ("gene_[x]",)
    assert expand_columns(there, ["gene_?"]) == ("gene_2", "gene_1")


@pytest.mark.parametrize("name", ["protein_*", "agee"])
def test_what_means_no_column_is_named(name):
    with pytest.raises(DataError, match="data.genes: no column is named or matches") as caught:
        expand_columns(["age", "gene_1"], [name], "data.genes")
    assert name in str(caught.value)


# ---- rows


def test_text_and_typed_columns_are_read_alike():
    written = pl.DataFrame({"a": ["1", "-2.50", ""], "c": ["x", "1.0", "None"]})
    typed = pl.DataFrame({"a": [1.0, -2.5, math.nan], "c": ["x", "1", None]})
    for table in (written, typed):
        rows, problems = read(table)
        assert problems == [] and rows[2] is None
        assert [row.numbers.tolist() for row in rows[:2]] == [[1.0], [-2.5]]
        assert [row.names for row in rows[:2]] == [("x",), ("1",)]
    assert [a.digest for a in read(written)[0][:2]] == [b.digest for b in read(typed)[0][:2]]


@pytest.mark.parametrize("mark", [*MISSING_MARKS, *(mark.upper() for mark in MISSING_MARKS), "", "  "])
def test_marks_are_missing_in_both_kinds_and_leave_a_column_numeric(mark):
    table = pl.DataFrame({"n": ["1", mark, mark], "c": ["a", mark, "b"]})
    rows, problems = read(table)
    assert problems == [] and rows[1] is None
    assert rows[0].columns == TableColumns(("n",), ("c",))
    assert math.isnan(rows[2].numbers[0]) and rows[2].names == ("b",)


def test_bad_cells_are_told_by_row_column_and_reason_and_never_quoted():
    columns = TableColumns(("a", "b", "f"), ())
    cells = {"a": ["1", "high", "3,5"], "b": ["inf", "2", "1e999"], "f": [1.0, -math.inf, 2.0]}
    rows, problems = read(pl.DataFrame(cells), columns)
    assert [(row, column) for row, column, _ in problems] == [(1, "b"), (2, "a"), (2, "f"), (3, "a"), (3, "b")]
    reasons = [reason for *_, reason in problems]
    assert reasons[:3] == [
        "the number is not finite",
        "the cell is not a number (a column of codes is named in data.categorical)",
        "the number is not finite",
    ]
    assert reasons[3].startswith("the number has a comma")
    assert not any("high" in reason for reason in reasons)
    assert all(math.isnan(row.numbers[0]) for row in rows[1:])


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(DataError, match=r"lacks 2 column\(s\) that the model reads: 'b', 'c'"):
        read(pl.DataFrame({"a": [1]}), TableColumns(("a", "b"), ("c",)))


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    cells = generator.normal(size=(7, 11)).round(3).astype(str)
    cells[generator.random(cells.shape) < 0.3] = "?"
    table = pl.DataFrame(cells, schema=[f"x{i}" for i in range(11)], orient="row")
    expected = [[math.nan if cell == "?" else float(cell) for cell in row] for row in cells.tolist()]
    for size in (1, 20, 1000):
        monkeypatch.setattr(tabular, "_CELLS", size)
        rows, _ = read(table)
        np.testing.assert_array_equal([row.numbers for row in rows], expected)


def test_rows_cannot_be_written_to():
    rows, _ = read(pl.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="read-only"):
        rows[0].numbers[0] = 5


def test_equal_content_has_an_equal_digest_and_other_content_another():
    columns = TableColumns(("a", "b"), ("c",))
    row = TableRow(columns, np.array([0.0, np.nan]), ("x",))
    wide = np.array([[-0.0, 7.0, -np.nan]])[0, ::2]  # another zero, another NaN, another layout
    assert TableRow(TableColumns(("a", "b"), ("c",)), wide, ("x",)).digest == row.digest
    others = [
        TableRow(columns, np.array([0.0, 1.0]), ("x",)),
        TableRow(columns, row.numbers, (None,)),
        TableRow(columns, row.numbers, ("None",)),
        TableRow(TableColumns(("a", "d"), ("c",)), row.numbers, ("x",)),
    ]
    assert len({row.digest, *(other.digest for other in others)}) == 5


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/")
def test_the_heart_tables_of_four_sites_are_read_whole():
    table = pl.read_csv(SHARED / "heart_disease/heart.csv", infer_schema=False)
    names = [
        "age",
        "sex",
        "cp",
        "trestbps",
        "chol",
        "fbs",
        "restecg",
        "thalach",
        "exang",
        "oldpeak",
        "slope",
        "ca",
        "thal",
    ]
    columns = chosen(table, ["cp", "thal"], names)
    assert columns.categorical == ("cp", "thal") and len(columns.numeric) == 11
    rows, problems = read(table, columns)
    assert problems == [] and len(rows) == len(table) and None not in rows
    assert {row.names[0] for row in rows} == {"1", "2", "3", "4"}
    ages = table["age"].cast(pl.Float64).to_list()
    assert [row.numbers[0] for row in rows] == ages


def test_one_word_among_numbers_is_a_bad_row_and_no_category():
    table = pl.DataFrame({"age": ["40"] * 39 + ["forty"], "code": ["250"] * 30 + ["V12"] * 10})
    columns = choose_columns(table, ["age", "code"], [], "data.tabular")
    assert (columns.numeric, columns.categorical) == (("age",), ("code",))
    problems = Problems("table")
    read_rows(table, columns, problems)
    assert [(each.row, each.column) for each in problems.found] == [(40, "age")]
    assert "data.categorical" in problems.found[0].reason and "forty" not in problems.found[0].reason
