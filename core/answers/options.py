"""The options of multiple choice questions, and which of them is right, from the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Literal, cast

import polars as pl

from medplug.core.data import cells
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError

FEWEST, MOST = 2, 8
LETTERS = "ABCDEFGH"
AnswerIs = Literal["index", "letter", "text"]
"""How a column tells the right option: its place from 0, its letter from A, or its text."""

Options = tuple[str, ...]
_NUMBER = r"^[0-9]+$"
_LETTER = r"^[A-Za-z][.)]?$"
_JSON = 'the cell is no JSON list of texts; write ["...", "..."]'


def read_options(table: pl.DataFrame, names: str | Sequence[str], problems: Problems) -> list[Options | None]:
    """The options of every row, trimmed; None where they cannot be used, which goes to `problems`.

    `names` are several columns, one an option, of which the last may be empty (the
    number may differ by row); or the one column that holds lists, or lists written
    as JSON. A row needs 2 to 8 options that are not empty. Wrong ones may repeat, as
    those of published exams do; whether the right one does `read_answers` sees.
    """
    if isinstance(names, str):
        name, found = names, _listed(table[names], problems)
    else:
        name, found = names[0], _side_by_side(table, names)
    return [_checked(row, options, name, problems) for row, options in enumerate(found, start=1)]


def read_answers(
    column: pl.Series,
    options: Sequence[Options | None],
    problems: Problems,
    *,
    answer_is: AnswerIs | None = None,
    key: str = "data.label",
) -> list[int | None]:
    """The place of the right option in every row, from 0; None where it cannot be told, which goes to `problems`.

    One rule holds for the whole column: `answer_is`, or what `answers_are` sees.
    `options` are the rows' options as `read_options` gives them; a row without
    is passed over, as its fault is known. Where another option has the text of the right one the
    row has two right ones, and cannot be used. `key` is the configuration's key of the column.
    """
    written = cells.texts(column, key)
    rule = answer_is or answers_are(written, options, key)
    cells.refuse(problems, written.is_null(), column.name, "the answer is empty")
    from_one = rule == "index" and _seems_from_one(written, options)
    found: list[int | None] = []
    for row, (cell, choices) in enumerate(zip(written.to_list(), options, strict=True), start=1):
        place = None if cell is None or choices is None else _place(cell, choices, rule)
        if cell is not None and choices is not None and (fault := _unclear(place, choices, rule, from_one)):
            problems.add([row], column.name, fault)
            place = None
        found.append(place)
    return found


def answers_are(written: pl.Series, options: Sequence[Options | None], key: str = "data.label") -> AnswerIs:
    """How a column of trimmed texts tells the right option, by the form of all of its cells.

    Whole numbers are indices and single letters are letters, unless all cells are
    texts of their rows' options as well: then `DataError` asks to say which.
    """
    cells_told = written.drop_nulls()
    rule: AnswerIs = "text"
    if len(cells_told) and cells_told.str.contains(_NUMBER).all():
        rule = "index"
    elif len(cells_told) and cells_told.str.contains(_LETTER).all():
        rule = "letter"
    if rule == "text":
        return rule
    pairs = [(cell, row) for cell, row in zip(written.to_list(), options, strict=True) if cell and row]
    if pairs and all(cell in row for cell, row in pairs):
        raise DataError(
            f"{key}: column {written.name!r} could tell the right option by its {rule} or by its text\n"
            f"say which of them it is: data.answer_is={rule} or data.answer_is=text"
        )
    return rule


def _side_by_side(table: pl.DataFrame, names: Sequence[str]) -> list[list[str | None] | str]:
    columns = [cells.texts(table[name], "data.options").to_list() for name in names]
    return [_without_last_empty(list(row)) for row in zip(*columns, strict=True)]


def _without_last_empty(row: list[str | None]) -> list[str | None]:
    while row and row[-1] is None:
        row.pop()
    return row


def _listed(column: pl.Series, problems: Problems) -> list[list[str | None] | str]:
    """The items of lists, or why a cell has none."""
    if isinstance(column.dtype, pl.Array):
        column = column.cast(pl.List(column.dtype.inner))
    if not isinstance(column.dtype, pl.List):
        return [_from_json(cell) for cell in cells.texts(column, "data.options").to_list()]
    lengths = column.list.len().fill_null(0)
    items = iter(cells.texts(column.filter(lengths > 0).explode(), "data.options").to_list())
    return [list(islice(items, length)) for length in lengths]


def _from_json(cell: str | None) -> list[str | None] | str:
    if cell is None:
        return []
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return _JSON
    if not isinstance(value, list) or not all(item is None or isinstance(item, str) for item in value):
        return _JSON
    return [(item or "").strip() or None for item in value]


def _checked(row: int, options: list[str | None] | str, name: str, problems: Problems) -> Options | None:
    reason = options if isinstance(options, str) else _fault(options)
    if reason:
        problems.add([row], name, reason)
        return None
    return tuple(cast("list[str]", options))


def _fault(options: list[str | None]) -> str | None:
    if not options:
        return f"there are no options; a question needs {FEWEST} to {MOST}"
    if len(options) < FEWEST:
        return f"there is one option alone; a question needs {FEWEST} to {MOST}"
    if len(options) > MOST:
        return f"there are {len(options)} options; a question has {FEWEST} to {MOST}"
    if None in options:
        return f"option {LETTERS[options.index(None)]} is empty"
    return None


def _place(cell: str, options: Options, rule: AnswerIs) -> int | None:
    if rule == "text":
        return options.index(cell) if cell in options else None
    if rule == "letter":
        letter = cell.rstrip(".)").upper()
        found = LETTERS.find(letter) if len(letter) == 1 else -1
    else:
        found = int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 4 else -1
    return found if 0 <= found < len(options) else None


def _seems_from_one(written: pl.Series, options: Sequence[Options | None]) -> bool:
    """Whether indices seem to be counted from 1: none is 0, and all that are told would then fit."""
    pairs = [(cell, row) for cell, row in zip(written.to_list(), options, strict=True) if cell and row]
    return bool(pairs) and all(cell.isdecimal() and 1 <= int(cell) <= len(row) for cell, row in pairs)


def _unclear(place: int | None, options: Options, rule: AnswerIs, from_one: bool) -> str | None:
    """Why it cannot be told which option is right; None where it can."""
    if place is None:
        return _wrong(rule, len(options), from_one)
    same = [LETTERS[i] for i, option in enumerate(options) if option == options[place]]
    if len(same) > 1:
        return f"the right option stands there more than once ({' and '.join(same)} are the same); leave one of them"
    return None


def _wrong(rule: AnswerIs, options: int, from_one: bool) -> str:
    if rule == "text":
        return f"the answer is the text of none of the row's {options} options"
    if rule == "letter":
        return f"the answer is no letter of the row's options; allowed: A to {LETTERS[options - 1]}"
    hint = "; the column seems to count from 1: take 1 from every index" if from_one else ""
    return f"the answer is no index of the row's options; allowed: 0 to {options - 1}, counted from 0{hint}"
