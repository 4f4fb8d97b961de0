"""Files of SQuAD's format: every question a row, every broken record told by its place."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from medplug.core.answers.squad import read_squad
from medplug.core.errors import DataError

SECRET = "Mrs Secret"
ASKED: list[dict[str, Any]] = [
    {"id": "1", "question": "What?", "answers": [{"text": "fever", "answer_start": 11}], "is_impossible": False},
    {"id": "2", "question": "Who?", "answers": [], "is_impossible": True, "plausible_answers": [{"text": SECRET}]},
]
FILE: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {"title": "Fever", "paragraphs": [{"context": f"{SECRET} fever", "qas": ASKED}]},
        {"title": "Pain", "paragraphs": [{"context": "No pain.", "qas": [{"id": 3, "question": "Where?"}]}]},
    ],
}


def written(tmp_path: Path, value: Any, name: str = "set.json") -> Path:
    path = tmp_path / name
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def broken(change: str, value: Any) -> dict[str, Any]:
    """The file with one thing changed: a path of keys with points between, and what to put there (None: nothing)."""
    found = copy.deepcopy(FILE)
    *way, last = [int(key) if key.isdigit() else key for key in change.split(".")]
    holder: Any = found
    for key in way:
        holder = holder[key]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return found


@pytest.mark.parametrize("name", ["set.json", "set.json.gz"])
def test_every_question_is_a_row_with_its_context(tmp_path: Path, name: str) -> None:
    table = read_squad(written(tmp_path, FILE, name))
    assert table["question"].to_list() == ["What?", "Who?", "Where?"]
    assert table["context"].to_list() == [f"{SECRET} fever"] * 2 + ["No pain."]
    assert table["id"].to_list() == ["1", "2", "3"] and table["title"].to_list() == ["Fever", "Fever", "Pain"]
    assert table["place"][1] == "article 1, paragraph 1, question 2"


def test_no_answer_is_an_empty_list_and_an_untold_one_is_null(tmp_path: Path) -> None:
    table = read_squad(written(tmp_path, FILE))
    assert table["answers"].to_list() == [["fever"], [], None]
    assert table["starts"].to_list() == [[11], [], None]


ONE = "data.0.paragraphs.0"
BROKEN = [
    (f"{ONE}.context", None, "article 1, paragraph 1: has no 'context'"),
    (f"{ONE}.context", "  ", "article 1, paragraph 1: 'context' is blank"),
    (f"{ONE}.qas", None, "article 1, paragraph 1: has no list 'qas'"),
    (f"{ONE}.qas.1.question", 7, "article 1, paragraph 1, question 2: 'question' is no text"),
    (f"{ONE}.qas.1", "no record", "article 1, paragraph 1, question 2: has no 'question'"),
    (f"{ONE}.qas.0.answers.0.answer_start", "11", "question 1, answer 1: 'answer_start' is no whole number"),
    (f"{ONE}.qas.0.answers.0.answer_start", -1, "question 1, answer 1: 'answer_start' is no whole number"),
    (f"{ONE}.qas.0.answers.0.text", None, "question 1, answer 1: has no 'text'"),
    (f"{ONE}.qas.0.answers", [], "question 1: 'is_impossible' is false, and it has no answer"),
    (f"{ONE}.qas.0.is_impossible", True, "question 1: 'is_impossible' is true, and it has answers"),
    (f"{ONE}.qas.0.is_impossible", "no", "'is_impossible' is neither true nor false"),
    ("data.1.paragraphs", {}, "article 2: has no list 'paragraphs'"),
    ("data", [], "it has no questions"),
]


@pytest.mark.parametrize(("change", "value", "told"), BROKEN)
def test_a_broken_record_is_told_by_its_place_and_not_quoted(
    tmp_path: Path, change: str, value: Any, told: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_squad(written(tmp_path, broken(change, value)), key="data.test")
    assert told in str(caught.value) and str(caught.value).startswith("data.test (")
    assert SECRET not in str(caught.value)


def test_twenty_faults_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    asked = [{"id": i} for i in range(25)]
    with pytest.raises(DataError) as caught:
        read_squad(written(tmp_path, broken(f"{ONE}.qas", asked)))
    assert "25 thing(s)" in str(caught.value) and "and 5 more" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (json.dumps(FILE, indent=1).encode()[:-90], "it is not valid JSON; it breaks in line"),
        (json.dumps(FILE, ensure_ascii=False).replace("pain", "p\u00e4in").encode("latin-1"), "not UTF-8"),
        (b"[" * 100_000, "it is not valid JSON"),
        (b"", "it is not valid JSON; it breaks in line 1"),
    ],
)
def test_a_file_that_is_no_json_is_told_and_not_quoted(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read_squad(written(tmp_path, data))
    assert told in str(caught.value) and SECRET not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_squad(tmp_path / "none.json")


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read_squad(written(tmp_path, b"\xef\xbb\xbf" + json.dumps(FILE).encode())).height == 3
