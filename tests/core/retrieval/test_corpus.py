"""The corpus and its questions: what is distinct, what is right, and which tables are refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medplug.core.errors import DataError, RowsError
from medplug.core.retrieval.corpus import Corpus, Questions, content_id, read_passages, relevance

COLUMN, ID = ("data.passage", "passage"), ("data.passage_id", "id")


def test_texts_that_differ_in_case_and_space_alone_are_one_passage_with_two_ids() -> None:
    first, again = "Rest and  fluids.", "rest and fluids."
    corpus = Corpus.of([("a", first), ("b", "Aspirin."), ("c", again), ("a", again)])
    assert corpus.ids == ["a", "b"] and corpus.texts == ["Rest and  fluids.", "Aspirin."]
    assert corpus.rows == {"a": 0, "b": 1, "c": 0} and corpus.at([1, 0]) == ["Aspirin.", "Rest and  fluids."]


def test_an_id_that_stands_for_two_texts_is_refused_without_quoting_them() -> None:
    with pytest.raises(DataError, match="1 passage id.*stand for different texts") as told:
        Corpus.of([("a", "Rest."), ("a", "Aspirin.")])
    assert "Aspirin" not in str(told.value)


def test_ids_of_contents_are_equal_where_texts_are() -> None:
    assert content_id("Rest. ") == content_id("rest.") != content_id("rest")


def test_questions_are_told_apart_by_their_words() -> None:
    questions = Questions.among(["What is flu?", "what is  flu?", "What helps?", "What is flu?"])
    assert questions.texts == ["What is flu?", "What helps?"]
    np.testing.assert_array_equal(questions.first, [0, 2])
    np.testing.assert_array_equal(questions.of, [0, 0, 1, 0])
    assert len(Questions.among([])) == 0


def test_every_passage_that_is_paired_with_a_question_is_right_for_it() -> None:
    questions = Questions.among(["q one", "q two", "q three"])
    pairs = [("Q one", "a"), ("q one", "B"), ("q two", "b"), ("q four", "a"), ("q three", "elsewhere")]
    assert relevance(questions, pairs, ["a", "b", "c"]) == [{0: 1.0, 1: 1.0}, {1: 1.0}, {}]


def test_a_table_is_read_with_its_ids_or_with_ids_of_its_contents() -> None:
    table = pl.DataFrame({"id": [1, 2], "passage": ["Rest.", "Aspirin."]})
    assert read_passages(table, key="CORPUS", passage=COLUMN, identifier=ID) == [("1", "Rest."), ("2", "Aspirin.")]
    made = read_passages(table, key="CORPUS", passage=COLUMN, identifier=None)
    assert made == [(content_id("Rest."), "Rest."), (content_id("Aspirin."), "Aspirin.")]


def test_empty_passages_and_ids_that_repeat_are_told_by_row_and_never_quoted() -> None:
    table = pl.DataFrame({"id": ["a", "b", "a", None], "passage": ["Rest.", " ", "Secret.", "Four."]})
    with pytest.raises(RowsError) as told:
        read_passages(table, key="CORPUS", passage=COLUMN, identifier=ID)
    lines = str(told.value).splitlines()
    assert "row 2, column passage: the passage is empty" in lines[1]
    assert "row 3, column id: the id is that of an earlier row" in lines[2]
    assert "row 4, column id: the id is empty" in lines[3] and "Secret" not in str(told.value)


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"body.*(?s:.)*passage"):
        read_passages(pl.DataFrame({"passage": ["x"]}), key="CORPUS", passage=("--passage", "body"), identifier=None)
