"""Rows of every form: what they become, and what is said of those that cannot be used."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medplug.core.answers.questions import Choice, Pair
from medplug.core.errors import DataError
from medplug.plugins.medical_qa.task import MedicalQa

Make = Callable[..., MedicalQa]
Read = Callable[..., Any]

TABLES: dict[str, dict[str, list[Any]]] = {
    "yes_no_maybe": {"question": ["Is it?", "Was it?"], "context": ["It is.", "Never."], "label": ["yes", "no"]},
    "entailment": {"question": ["Is it?", "Was it?"], "other": ["Is it so?", "Why?"], "label": ["yes", "no"]},
    "multiple_choice": {"question": ["Which?", "Who?"], "options": [["a", "b"], ["a", "b", "c"]], "answer": [1, 2]},
    "extractive": {
        **{"question": ["Where?", "When?"], "context": ["In the liver.", "Nobody knows."]},
        **{"answer": ["the liver", None], "answer_start": [3, None]},
    },
    "retrieval": {"question": ["Where?", "When?"], "passage": ["In the liver.", "At noon."]},
    "generative": {"question": ["Where?", "When?"], "answer": ["In the liver.", "At noon."]},
}
"""Two sound rows a form."""


@pytest.mark.parametrize(
    ("form", "value", "label"),
    [
        ("yes_no_maybe", Pair("Is it?", "It is."), "yes"),
        ("entailment", Pair("Is it?", "Is it so?"), "yes"),
        ("multiple_choice", Choice("Which?", ("a", "b")), "B"),
        ("extractive", Pair("Where?", "In the liver."), (("the liver", 3),)),
        ("retrieval", Pair("Where?", "In the liver."), None),
        ("generative", Pair("Where?", ""), "In the liver."),
    ],
)
def test_a_row_of_every_form_is_a_question_with_what_it_is_asked_of(
    task: Make, read: Read, form: str, value: Any, label: Any
) -> None:
    rows, problems = read(task(form), TABLES[form])
    assert not problems and rows.inputs["text"][0] == value
    assert label is None or rows.labels[0] == label


@pytest.mark.parametrize("form", TABLES)
def test_a_table_to_predict_on_needs_no_answers_and_reads_the_same(task: Make, read: Read, form: str) -> None:
    made = task(form)
    bare = {name: cells for name, cells in TABLES[form].items() if not name.startswith(("label", "answer"))}
    rows, problems = read(made, bare, labelled=False, key="INPUT")
    assert not problems and rows.labels is None
    assert rows.values == read(made, TABLES[form])[0].values


@pytest.mark.parametrize("form", TABLES)
def test_an_empty_question_is_told_by_its_row(task: Make, read: Read, form: str) -> None:
    rows, problems = read(task(form), {**TABLES[form], "question": ["Is it?", " \u200b"]})
    assert problems == [(2, "question", "the question is empty")] and rows.rows.tolist() == [1]


@pytest.mark.parametrize(
    ("form", "column", "told"),
    [
        ("yes_no_maybe", "context", "the context is empty"),
        ("extractive", "context", "the context is empty"),
        ("entailment", "other", "the second text is empty"),
        ("retrieval", "passage", "the passage is empty"),
        ("generative", "answer", "the answer is empty"),
        ("multiple_choice", "answer", "the answer is empty"),
        ("yes_no_maybe", "label", "the label is empty"),
    ],
)
def test_what_a_form_cannot_do_without_is_told(task: Make, read: Read, form: str, column: str, told: str) -> None:
    first = TABLES[form][column][0]
    assert read(task(form), {**TABLES[form], column: [first, None]})[1] == [(2, column, told)]


def test_an_answer_that_is_shifted_is_told_with_the_offset_to_write(task: Make, read: Read) -> None:
    rows, problems = read(task("extractive"), {**TABLES["extractive"], "answer_start": [2, None]})
    assert problems == [(1, "answer", "the answer does not begin at character 2, but at 3: write 3")]
    assert rows.labels == [()]


def test_without_offsets_an_answer_is_looked_for(task: Make, read: Read) -> None:
    table = {name: cells for name, cells in TABLES["extractive"].items() if name != "answer_start"}
    rows, problems = read(task("extractive", {"answer_start": None}), table)
    assert not problems and rows.labels == [(("the liver", 3),), ()]


def test_a_context_that_offsets_count_in_is_kept_letter_by_letter(task: Make, read: Read) -> None:
    context = "  In\tthe liver\u00a0. "
    table = {"question": ["Where\tis it?"], "context": [context], "answer": ["liver"], "answer_start": [9]}
    rows, problems = read(task("extractive"), table)
    assert not problems and rows.values == [Pair("Where is it?", context)]


def test_options_may_stand_in_columns_and_a_context_where_it_is_named(task: Make, read: Read) -> None:
    made = task("multiple_choice", {"options": ["A", "B", "C"], "context": "vignette", "answer": "key"})
    table = pl.DataFrame({"question": "Which?", "A": "x", "B": "y", "C": [None], "vignette": "A man.", "key": "B"})
    rows, problems = read(made, table)
    assert not problems and rows.values == [Choice("Which?", ("x", "y"), "A man.")] and rows.labels == ["B"]


def test_passages_are_one_where_they_are_equal_and_an_id_names_one(task: Make, read: Read) -> None:
    table = {"question": ["a", "b", "c"], "passage": ["In it.", " In it.", "Out."], "number": ["7", "7", "7"]}
    first, second, third = read(task("retrieval"), table)[0].labels
    assert first == second != third
    rows, problems = read(task("retrieval", {"passage_id": "number"}), table)
    assert rows.labels == ["7", "7"]
    assert problems == [(3, "number", "in row 1 this id names another passage; give each its own")]


def test_rankings_are_not_scored_without_passages(task: Make, read: Read) -> None:
    with pytest.raises(DataError, match="data.passage"):
        made = task("retrieval")
        from medplug.core.data.problems import Problems

        made.examples(pl.DataFrame({"question": ["Where?"]}), Problems("table.csv"), labelled=True)
    assert read(task("retrieval"), {"question": ["Where?"]}, labelled=False, key="INPUT")[0].values == [
        Pair("Where?", "")
    ]


def test_published_files_are_read_under_whatever_names_the_columns_have(task: Make, read: Read, tmp_path: Path) -> None:
    squad = {"context": "In the liver.", "qas": [{"question": "Where?", "id": 1, "answers": []}]}
    squad["qas"][0]["answers"] = [{"text": "the liver", "answer_start": 3}]  # type: ignore[index]
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": [squad]}]}))
    head_qa = {"exam": "e", "qid": "1", "question": "Which?", "options": ["a", "b"], "answer_index": 1}
    with gzip.open(tmp_path / "head.jsonl.gz", "wt") as file:
        file.write(json.dumps(head_qa) + "\n")
    pubmedqa = {"pmid": "1", "question": "Is it?", "contexts": ["It", "is."], "final_decision": "yes"}
    (tmp_path / "pubmed.jsonl").write_text(json.dumps(pubmedqa) + "\n")
    own = {"question": "Q", "context": "C", "label": "L", "answer": "R", "options": "O", "answer_start": "S"}
    for data in ({}, own):
        spans = read(task("extractive", data), tmp_path / "squad.json")[0]
        assert (spans.values, spans.labels) == ([Pair("Where?", "In the liver.")], [(("the liver", 3),)])
        yes = read(task("yes_no_maybe", data), tmp_path / "pubmed.jsonl")[0]
        assert (yes.values, yes.labels) == ([Pair("Is it?", "It\nis.")], ["yes"])
    made = task("multiple_choice", {**own, "context": None})
    choices = read(made, tmp_path / "head.jsonl.gz")[0]
    assert (choices.values, choices.labels) == ([Choice("Which?", ("a", "b"))], ["B"])
    assert {"group", "id"} <= set(made.tabulate(tmp_path / "head.jsonl.gz", "data.train").columns)


@pytest.mark.parametrize(
    ("form", "record", "told"),
    [
        (
            "extractive",
            {"pmid": "1", "question": "Is it?", "contexts": ["It"], "final_decision": "yes"},
            "yes_no_maybe",
        ),
        ("yes_no_maybe", {"exam": "e", "qid": "1", "question": "Which?", "options": ["a", "b"]}, "multiple_choice"),
    ],
)
def test_a_published_file_of_another_form_is_told_by_its_name_with_the_form_to_take(
    task: Make, read: Read, tmp_path: Path, form: str, record: dict[str, Any], told: str
) -> None:
    file = tmp_path / "published.jsonl"
    file.write_text(json.dumps(record) + "\n")
    with pytest.raises(DataError, match=f"published.jsonl.*task.form={form} needs(.|\n)*task.form={told}"):
        read(task(form), file)


def test_a_published_file_without_a_column_is_still_called_by_its_path(task: Make, read: Read, tmp_path: Path) -> None:
    file = tmp_path / "published.jsonl"
    file.write_text(json.dumps({"pmid": "1", "question": "Is it?", "contexts": ["It"]}) + "\n")
    with pytest.raises(DataError, match="published.jsonl.*no column 'label'"):
        read(task("yes_no_maybe"), file)
