"""Published sets by their forms, small ones made here and the real ones where they are at hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medplug.core.answers.options import read_answers, read_options
from medplug.core.answers.published import published_table
from medplug.core.data.problems import Problems
from medplug.core.data.tables import read_table
from medplug.core.errors import DataError

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/"),
]
CONCLUSION = "the conclusion"
PUBMEDQA = {
    "11": {"QUESTION": "Does it?", "CONTEXTS": ["Aim.", "Result."], "LONG_ANSWER": CONCLUSION, "final_decision": "yes"},
    "12": {"QUESTION": "Is it?", "CONTEXTS": ["Aim."], "LONG_ANSWER": CONCLUSION, "final_decision": "maybe"},
}
LINES = [
    {"pmid": "11", "question": "Does it?", "contexts": ["Aim.", "Result."], "final_decision": "yes"},
    {"pmid": "12", "question": "Is it?", "contexts": ["Aim."], "final_decision": "maybe"},
]
LINES = [{**line, "long_answer": CONCLUSION, "reasoning_free_pred": "yes"} for line in LINES]
EXAMS: dict[str, Any] = {
    "version": "1.0",
    "exams": {
        "Exam_B": {
            "category": "biology",
            "data": [
                {
                    "qid": "1",
                    "qtext": "Which?",
                    "ra": "2",
                    "answers": [{"aid": 1, "atext": "x"}, {"aid": 2, "atext": "y"}],
                }
            ],
        }
    },
}


def table_of(source: Any) -> pl.DataFrame:
    found = published_table(source, "data.train")
    assert isinstance(found, pl.DataFrame)
    return found


def lines(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_text("\n" + "\n".join(json.dumps(row) for row in rows))
    return path


def whole(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(value))
    return path


def test_both_forms_of_pubmedqa_give_one_table_without_the_long_answer(tmp_path: Path) -> None:
    one, other = table_of(whole(tmp_path, PUBMEDQA)), table_of(lines(tmp_path, LINES))
    assert one.equals(other) and one.columns == ["question", "context", "label", "id"]
    assert one["context"].to_list() == ["Aim.\nResult.", "Aim."]
    assert CONCLUSION not in str(one.to_dicts())
    assert table_of(pl.DataFrame(LINES)).equals(one)


def test_pubmedqa_without_decisions_has_no_label(tmp_path: Path) -> None:
    hidden = [{key: value for key, value in line.items() if key != "final_decision"} for line in LINES]
    assert "label" not in table_of(lines(tmp_path, hidden)).columns
    told = {pmid: {**record, "final_decision": None} for pmid, record in PUBMEDQA.items()}
    assert "label" not in table_of(whole(tmp_path, told)).columns


def test_both_forms_of_head_qa_give_one_table(tmp_path: Path) -> None:
    line = {"exam": "Exam_B", "category": "biology", "year": "2015", "qid": "1", "question": "Which?"}
    other = table_of(lines(tmp_path, [{**line, "options": ["x", "y"], "answer_index": 1, "image": ""}]))
    one = table_of(whole(tmp_path, EXAMS))
    assert one.to_dicts() == [
        {"question": "Which?", "options": ["x", "y"], "answer": 1, "category": "biology", "group": "Exam_B"}
        | {"id": "Exam_B-1"}
    ]
    assert one.select(sorted(one.columns)).equals(other.select(sorted(one.columns)))


def test_what_is_no_published_set_is_left_as_it_is(tmp_path: Path) -> None:
    plain = lines(tmp_path, [{"question": "Why?", "label": "yes"}])
    for source in (plain, {"question": ["Why?"]}, str(tmp_path / "a.csv"), tmp_path / "none.jsonl"):
        assert published_table(source, "data.train") is source
    plain.write_bytes(b"\xff{broken")
    assert published_table(plain, "data.train") is plain


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"rows": []}, "of no published form"),
        ([1, 2], "of no published form"),
        ({**PUBMEDQA, "13": {"CONTEXTS": ["Secret"]}}, "record 3: has no 'QUESTION'"),
        ({**PUBMEDQA, "13": {"QUESTION": "Secret?", "CONTEXTS": [7]}}, "record 3: 'CONTEXTS' holds what is no text"),
        ({**PUBMEDQA, "13": []}, "record 3: has no list 'CONTEXTS'"),
        ({"exams": {"E": {"data": [{"qtext": "Secret?"}]}}}, "exam 1, question 1: has no list 'answers'"),
        (
            {"exams": {"E": {"data": [{"qtext": "Secret?", "ra": 9, "answers": []}]}}},
            "question 1: 'ra' is the 'aid' of no",
        ),
        ({"exams": {"E": []}}, "exam 1: has no list 'data'"),
    ],
)
def test_a_broken_record_is_told_by_its_place_and_not_quoted(tmp_path: Path, value: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        table_of(whole(tmp_path, value))
    assert told in str(caught.value) and "Secret" not in str(caught.value)


class TestRealSets:
    pytestmark = shared

    def test_pubmedqa_is_read_whole(self) -> None:
        table = table_of(SHARED / "pubmedqa/train_dev_500.jsonl")
        assert table.height == 500 and table.null_count().sum_horizontal().item() == 0
        assert Counter(table["label"]) == {"yes": 276, "no": 169, "maybe": 55}
        raw = read_table(SHARED / "pubmedqa/train_dev_500.jsonl", key="data.train", columns=None)
        for context, answer in zip(table["context"], raw["long_answer"], strict=True):
            assert answer.strip() not in context

    @pytest.mark.parametrize(
        ("name", "rows", "options", "repeats"),
        [("en_dev", 1366, 4, 1), ("en_train", 2657, 5, 2), ("es_dev", 1366, 4, 1), ("es_train", 2657, 5, 0)],
    )
    def test_head_qa_is_read_whole(self, name: str, rows: int, options: int, repeats: int) -> None:
        table = table_of(SHARED / f"head_qa/{name}.jsonl.gz")
        assert table.height == rows and table["id"].n_unique() == rows
        problems = Problems(name)
        found = read_options(table, "options", problems)
        assert not problems.found and {len(each) for each in found if each} == {options}
        places = read_answers(table["answer"], found, problems)
        assert len(problems.rows) == repeats and all("are the same" in p.reason for p in problems.found)
        assert set(places) - {None} == set(range(options)) and places.count(None) == repeats

    def test_medquad_is_a_plain_table(self) -> None:
        path = SHARED / "medquad/medquad_answered_8000.jsonl.gz"
        assert published_table(path, "data.train") is path
        assert read_table(path, key="data.train", columns={"data.question": "question"}).height == 8000
