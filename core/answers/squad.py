"""Files of SQuAD's format, versions 1.1 and 2.0, as a table: a row a question (Rajpurkar et al., 2016 and 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.answers.nested import Faults, read_json
from medplug.core.data.faults import Wanted
from medplug.core.errors import DataError

SCHEMA: dict[str, Any] = {
    "question": pl.String,
    "context": pl.String,
    "answers": pl.List(pl.String),
    "starts": pl.List(pl.Int64),
    "id": pl.String,
    "title": pl.String,
    "place": pl.String,
}
_ROOT = "the file"


def is_squad(value: Any) -> bool:
    """Whether a JSON value has the outline of SQuAD: articles under ``data``, each of paragraphs."""
    articles = value.get("data") if isinstance(value, dict) else None
    return isinstance(articles, list) and any(isinstance(each, dict) and "paragraphs" in each for each in articles)


def read_squad(path: str | Path, *, key: str = "data.train") -> pl.DataFrame:
    """A row a question of a SQuAD file (``.json``, plain or gzip), as `squad_table` gives it.

    `key` is the configuration's key that the path came from. Raises `DataError`
    for a file that cannot be read, and for what `squad_table` raises it for.
    """
    wanted = Wanted(key, str(path))
    return squad_table(read_json(Path(path), wanted), wanted)


def squad_table(value: Any, wanted: Wanted) -> pl.DataFrame:
    """A row a question: ``question``, ``context``, lists ``answers`` and ``starts``, ``id``, ``title``, ``place``.

    The lists are empty where the context has no answer (``is_impossible``, or an
    empty list of answers) and null where the question has none told (a table to
    predict on). Plausible answers of unanswerable questions are left out. Whether
    an answer stands where it is said to is for `spans.read_spans` to see. ``place``
    is ``article 1, paragraph 1, question 1``. Raises `DataError` naming the places
    of broken records, never their content.
    """
    faults = Faults(wanted, "SQuAD")
    records = list(_records(value, faults))
    if error := faults.error():
        raise error
    if not records:
        raise _empty(wanted)
    return pl.DataFrame(records, schema=SCHEMA, orient="row")


def _empty(wanted: Wanted) -> DataError:
    return wanted.error("it has no questions", f"give {wanted.key} a file with at least one")


def _records(value: Any, faults: Faults) -> Iterator[tuple[Any, ...]]:
    for a, article in enumerate(faults.items(value, "data", _ROOT), start=1):
        for p, paragraph in enumerate(faults.items(article, "paragraphs", f"article {a}"), start=1):
            place = f"article {a}, paragraph {p}"
            context = faults.text(paragraph, "context", place)
            title = article.get("title")
            for q, asked in enumerate(faults.items(paragraph, "qas", place), start=1):
                row = _question(asked, f"{place}, question {q}", faults)
                yield row[0], context, *row[1:], title if isinstance(title, str) else None, f"{place}, question {q}"


def _question(asked: Any, place: str, faults: Faults) -> tuple[Any, ...]:
    """The question, its answers, their starts, and its id."""
    question = faults.text(asked, "question", place)
    if not isinstance(asked, dict):
        return None, None, None, None
    told = asked.get("id")
    answers, starts = _answers(asked, place, faults)
    return question, answers, starts, None if told is None else str(told)


def _answers(asked: dict[str, Any], place: str, faults: Faults) -> tuple[list[str] | None, list[int] | None]:
    impossible = asked.get("is_impossible")
    if impossible not in (None, True, False):
        faults.add(place, "'is_impossible' is neither true nor false")
    if asked.get("answers") is None:
        return ([], []) if impossible else (None, None)
    answers = faults.items(asked, "answers", place)
    if impossible is True and answers:
        faults.add(place, "'is_impossible' is true, and it has answers")
    if impossible is False and not answers:
        faults.add(place, "'is_impossible' is false, and it has no answer")
    texts = [faults.text(each, "text", f"{place}, answer {i}") for i, each in enumerate(answers, start=1)]
    starts = [_start(each, f"{place}, answer {i}", faults) for i, each in enumerate(answers, start=1)]
    return [text or "" for text in texts], starts


def _start(answer: Any, place: str, faults: Faults) -> int:
    found = answer.get("answer_start") if isinstance(answer, dict) else None
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**63:
        return found
    faults.add(place, "'answer_start' is no whole number of characters, counted from 0")
    return 0
