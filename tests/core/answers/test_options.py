"""Options in every way that a table may hold them, and the right one in every way that it may be told."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from medplug.core.answers.options import read_answers, read_options
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

ROWS = [("heart", "lung"), ("a", "b", "c", "d"), ("1 mg", "2 mg", "5 mg")]


def held(rows: list[Any]) -> dict[str, tuple[pl.DataFrame, Any]]:
    widest = max(map(len, rows))
    names = [chr(65 + i) for i in range(widest)]
    columns = {name: [row[i] if i < len(row) else None for row in rows] for i, name in enumerate(names)}
    return {
        "columns": (pl.DataFrame(columns), names),
        "lists": (pl.DataFrame({"o": [list(row) for row in rows]}), "o"),
        "json": (pl.DataFrame({"o": [json.dumps(row) for row in rows]}), "o"),
    }


def answers(cells: list[Any], options: Any = ROWS, **how: Any) -> tuple[list[int | None], list[tuple[int, str]]]:
    problems = Problems("table")
    found = read_answers(pl.Series("answer", cells), options, problems, **how)
    return found, [(p.row, p.reason) for p in problems.in_order()]


@pytest.mark.parametrize("way", ["columns", "lists", "json"])
def test_every_way_of_holding_options_reads_the_same(way: str) -> None:
    problems = Problems("table")
    assert read_options(*held(ROWS)[way], problems) == ROWS and not problems.found


@pytest.mark.parametrize("way", ["columns", "lists", "json"])
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (("Secret",), "one option alone; a question needs 2 to 8"),
        ((), "there are no options"),
        (("Secret", " ", "x"), "option B is empty"),
        (tuple("abcdefghi"), "there are 9 options; a question has 2 to 8"),
    ],
)
def test_options_that_cannot_be_used_are_told_by_row(way: str, bad: tuple[str, ...], told: str) -> None:
    problems = Problems("table")
    table, names = held([ROWS[0], bad, ROWS[1]])[way]
    assert read_options(table, names, problems) == [ROWS[0], None, ROWS[1]]
    (problem,) = problems.found
    assert problem.row == 2 and told in problem.reason and "Secret" not in problem.reason


@pytest.mark.parametrize("cell", ["Secret", '{"A": "Secret"}', '["Secret", 1]', "[[["])
def test_a_cell_that_is_no_json_list_is_told(cell: str) -> None:
    problems = Problems("table")
    assert read_options(pl.DataFrame({"o": [cell]}), "o", problems) == [None]
    assert "JSON list" in problems.found[0].reason and "Secret" not in problems.found[0].reason


def test_a_null_list_and_numbers_in_lists_are_read() -> None:
    problems = Problems("table")
    found = read_options(pl.DataFrame({"o": [[1.0, 2.5], None, [3.0, 4.0]]}), "o", problems)
    assert found == [("1", "2.5"), None, ("3", "4")] and problems.rows == {2}


@pytest.mark.parametrize(
    "cells", [[1, 3, 0], ["1", "3", "0"], [1.0, 3.0, 0.0], ["B", "d", "A"], ["B.", "d)", "A"], ["lung", "d", "1 mg"]]
)
def test_an_index_a_letter_and_a_text_tell_the_same_option(cells: list[Any]) -> None:
    assert answers(cells) == ([1, 3, 0], [])


def test_what_is_told_declared_or_inferred_is_the_same() -> None:
    for rule, cells in {"index": ["0", "2", "1"], "letter": ["A", "C", "B"], "text": ["heart", "c", "2 mg"]}.items():
        assert answers(cells) == answers(cells, answer_is=rule) == ([0, 2, 1], [])


def test_an_index_out_of_range_is_told_with_the_row_and_what_is_allowed() -> None:
    found, problems = answers([2, 0, 2])
    assert found == [None, 0, 2]
    assert problems == [(1, "the answer is no index of the row's options; allowed: 0 to 1, counted from 0")]


def test_a_column_that_counts_from_one_is_noticed() -> None:
    found, problems = answers([2, 4, 1])
    assert found == [None, None, 1] and [row for row, _ in problems] == [1, 2]
    assert all("take 1 from every index" in reason for _, reason in problems)


def test_a_wrong_option_may_repeat_and_the_right_one_may_not() -> None:
    rows = [("Secret", "x", "Secret"), ("a", "b", "a", "b")]
    table, names = held(rows)["lists"]
    problems = Problems("table")
    assert read_options(table, names, problems) == rows and not problems.found
    assert answers([1, 0], rows)[0] == [1, None]
    for cells in ([2, 0], ["C", "A"], ["Secret", "a"]):
        found, told = answers(cells, rows)
        assert found == [None, None] and [row for row, _ in told] == [1, 2]
        assert "A and C are the same" in told[0][1] and "Secret" not in told[0][1]


def test_one_rule_holds_for_the_whole_column() -> None:
    found, problems = answers(["B", "c", "1"])
    assert found == [None, 2, None] and [row for row, _ in problems] == [1, 3], "not all are letters, so all are texts"
    assert answers(["C", "A", "AB"], answer_is="letter")[0] == [None, 0, None]
    assert answers(["-1", "1.5", "²"], answer_is="index")[0] == [None, None, None]


def test_a_column_that_reads_both_ways_asks_to_say_which() -> None:
    options = [("0", "1"), ("1", "2")]
    with pytest.raises(DataError, match="by its index or by its text"):
        answers(["1", "1"], options)
    assert answers(["1", "1"], options, answer_is="index")[0] == [1, 1]
    assert answers(["1", "1"], options, answer_is="text")[0] == [1, 0]


def test_an_empty_answer_is_told_and_a_row_without_options_passed_over() -> None:
    found, problems = answers([None, "A", "B"], [ROWS[0], None, ROWS[2]])
    assert found == [None, None, 1] and problems == [(1, "the answer is empty")]
