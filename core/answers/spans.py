"""Answers that are spans of their contexts: whether they stand where they are said to, and what to write if not."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import polars as pl

from medplug.core.data import cells
from medplug.core.data.problems import Problems

NEAR = 50
"""Characters around a wrong offset in which the answer may still be taken for the one that was meant."""
Answers = tuple[tuple[str, int], ...]

_ABSENT = "the answer is not in the context"


def read_spans(
    contexts: Sequence[str | None], answers: pl.Series, starts: pl.Series | None, problems: Problems
) -> list[Answers | None]:
    """The answers of every row with the characters they begin at; None where one is wrong, which goes to `problems`.

    `answers` holds a text a row or lists of them, `starts` a number or lists of
    as many (characters, counted from 0). An empty cell or list is a context
    without an answer. Without `starts` an answer must occur in its context once.
    A row without a context is passed over, as its fault is known.
    """
    texts = _lists(answers, "data.answer")
    numbers = [None] * len(texts) if starts is None else _lists(starts, "data.answer_start")
    found: list[Answers | None] = []
    for row, (context, told, at) in enumerate(zip(contexts, texts, numbers, strict=True), start=1):
        spans = None if context is None else _row(context, told, at)
        if isinstance(spans, str):
            problems.add([row], answers.name, spans)
        found.append(None if isinstance(spans, str) else spans)
    return found


def span_fault(context: str, text: str, start: int) -> str | None:
    """Why an answer cannot be taken as a span of its context, without quoting either; None where it is right.

    Where it stands elsewhere (nearby, or once in all) the reason tells the offset to write.
    """
    if not text.strip():
        return "the answer is blank; leave it out where the context has no answer"
    if start >= 0 and context.startswith(text, start):
        return None
    right = right_start(context, text, start)
    wrong = f"the answer does not begin at character {start}"
    if right is not None:
        return f"{wrong}, but at {right}: write {right}{_unit(context, start, right)}"
    if times := len(_places(context, text)):
        return f"{wrong}; it occurs {times} times in the context: write which is meant"
    return _nearly(context, text)


def right_start(context: str, text: str, start: int) -> int | None:
    """Where an answer that is not at `start` begins: the nearest within `NEAR` characters, or its only place.

    None where it does not occur, where two places are equally near, or where
    it occurs several times and none is near.
    """
    places = _places(context, text)
    if len(places) == 1:
        return places[0]
    near = sorted((abs(place - start), place) for place in places if abs(place - start) <= NEAR)
    if not near or (len(near) > 1 and near[0][0] == near[1][0]):
        return None
    return near[0][1]


def _lists(column: pl.Series, key: str) -> list[list[str | None]]:
    """The cells of every row, trimmed only to see whether they are empty."""
    if isinstance(column.dtype, pl.Array):
        column = column.cast(pl.List(column.dtype.inner))
    if not isinstance(column.dtype, pl.List):
        return [[] if blank is None else [cell] for blank, cell in _cells(column, key)]
    lengths = column.list.len().fill_null(0)
    items = iter(_cells(column.filter(lengths > 0).explode(), key))
    return [[next(items)[1] for _ in range(length)] for length in lengths]


def _cells(column: pl.Series, key: str) -> list[tuple[str | None, str | None]]:
    trimmed = cells.texts(column, key)
    whole = column if column.dtype == pl.String else trimmed
    return list(zip(trimmed.to_list(), whole.to_list(), strict=True))


def _row(context: str, texts: Sequence[str | None], starts: Sequence[str | None] | None) -> Answers | str:
    """The answers of one row, or what is wrong with it."""
    if starts is None:
        return _without_starts(context, texts)
    if len(starts) != len(texts):
        return f"there are {len(texts)} answer(s) and {len(starts)} offset(s); give each answer one"
    spans = []
    for text, start in zip(texts, starts, strict=True):
        if start is None or not (start.isascii() and start.isdigit()):
            return "the offset of the answer is no whole number of characters, counted from 0"
        if fault := span_fault(context, text or "", int(start)):
            return fault
        spans.append((text or "", int(start)))
    return tuple(spans)


def _without_starts(context: str, texts: Sequence[str | None]) -> Answers | str:
    spans = []
    for text in texts:
        places = _places(context, text or "")
        if len(places) > 1:
            return f"the answer occurs {len(places)} times in the context; give the character it begins at"
        if not places:
            return _nearly(context, text) if text and text.strip() else "the answer is blank"
        spans.append((text or "", places[0]))
    return tuple(spans)


def _places(context: str, text: str) -> list[int]:
    """Every place where a text begins, those that overlap as well."""
    places: list[int] = []
    place = context.find(text) if text.strip() else -1
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places


def _unit(context: str, start: int, right: int) -> str:
    """Of a shift that other units explain, which: offsets are of characters, and tools count bytes as well."""
    before = context[:right]
    if len(before.encode("utf-8", "surrogatepass")) == start:
        return " (the offset counts bytes of UTF-8; count characters)"
    if len(before.encode("utf-16-le", "surrogatepass")) == 2 * start:
        return " (the offset counts UTF-16 units; count characters)"
    if start == right + before.count("\n"):
        return " (the offset counts every line end as two characters, CRLF; the context has one)"
    if start == right - before.count("\r\n"):
        return " (the offset counts every line end as one character; the context has two, CRLF)"
    return ""


def _nearly(context: str, text: str) -> str:
    """What an answer that is not in the context, letter by letter, differs by."""
    for told, normalise in _NEARLY:
        if normalise(text) in normalise(context):
            return f"{_ABSENT} letter by letter: {told}; copy it from the context"
    return _ABSENT


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", _one_line_end(text))


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", _one_line_end(text))


def _spaced(text: str) -> str:
    return " ".join(_compatible(text).casefold().split())


_NEARLY: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("one of them ends its lines with CRLF, the other with LF", _one_line_end),
    ("they write the same characters by other code points (NFC and NFD)", _composed),
    ("they write the same characters in other forms, as full width or ligatures (NFKC)", _compatible),
    ("capitals or white space differ", _spaced),
)
