"""Spans that stand where they are said to, and what is told of those that do not."""

from __future__ import annotations

import unicodedata

import numpy as np
import polars as pl
import pytest

from medplug.core.answers.spans import read_spans, right_start, span_fault
from medplug.core.data.problems import Problems

CONTEXT = "Fever is a sign. Cough is another sign; fever may follow, and a rash."


def test_every_true_span_is_right() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        start = int(draw.integers(0, len(CONTEXT) - 1))
        text = CONTEXT[start : start + int(draw.integers(1, 12))]
        if text.strip():
            assert span_fault(CONTEXT, text, start) is None


@pytest.mark.parametrize("shift", [-3, -1, 1, 2, 40])
def test_of_a_shifted_offset_the_right_one_is_told(shift: int) -> None:
    at = CONTEXT.index("Cough")
    fault = span_fault(CONTEXT, "Cough", at + shift)
    assert fault == f"the answer does not begin at character {at + shift}, but at {at}: write {at}"


def test_of_several_places_the_nearest_is_told_if_it_is_near() -> None:
    assert right_start(CONTEXT, "sign", 12) == 11
    assert right_start(CONTEXT, "sign", 33) == CONTEXT.rindex("sign")
    far = "sign. " + "x" * 200 + " sign"
    assert right_start(far, "sign", 100) is None
    assert "it occurs 2 times in the context" in (span_fault(far, "sign", 100) or "")
    assert right_start("aba", "a", 1) is None, "both are equally near"


def test_an_answer_that_is_not_there_is_told_and_not_quoted() -> None:
    assert span_fault(CONTEXT, "Secret", 3) == "the answer is not in the context"
    assert "blank" in (span_fault(CONTEXT, " ", 5) or "")
    assert "begin at character -2, but at 0" in (span_fault(CONTEXT, "Fever", -2) or "")


@pytest.mark.parametrize(
    ("context", "text", "start", "told"),
    [
        ("患者发热、咳嗽三天。", "咳嗽", len("患者发热、".encode()), "counts bytes of UTF-8"),
        ("😀😀 fever, cough", "cough", 12, "counts UTF-16 units"),
        ("a\nb\nc\nfever", "fever", 9, "every line end as two characters"),
        ("a\r\nb\r\nc\r\nfever", "fever", 6, "every line end as one character"),
    ],
)
def test_a_shift_by_another_unit_is_explained(context: str, text: str, start: int, told: str) -> None:
    fault = span_fault(context, text, start) or ""
    assert told in fault and f"write {context.index(text)}" in fault


@pytest.mark.parametrize(
    ("context", "text", "told"),
    [
        ("mild fever\r\nand cough", "fever\nand", "CRLF"),
        (unicodedata.normalize("NFD", "Ménière"), "Ménière", "NFC and NFD"),
        ("ＣＴ scan", "CT scan", "NFKC"),
        ("mild  Fever", "mild fever", "capitals or white space"),
    ],
)
def test_an_answer_in_other_letters_is_explained(context: str, text: str, told: str) -> None:
    fault = span_fault(context, text, 0) or ""
    assert told in fault and "copy it from the context" in fault


def test_a_table_gives_spans_and_its_bad_rows() -> None:
    problems = Problems("table")
    answers = pl.Series("answers", [["Fever", "a sign"], [], None, ["Cough"], ["rash", "sign"], ["rash"]])
    starts = pl.Series("starts", [[0, 9], [], None, [18], [3], [None]])
    contexts = [CONTEXT] * 6
    assert read_spans(contexts, answers, starts, problems) == [(("Fever", 0), ("a sign", 9)), (), (), None, None, None]
    told = {p.row: p.reason for p in problems.found}
    assert "write 17" in told[4] and "2 answer(s) and 1 offset(s)" in told[5] and "no whole number" in told[6]


def test_a_text_a_row_reads_as_lists_of_one_do() -> None:
    for starts in (pl.Series("s", ["0", None, "17"]), pl.Series("s", [0.0, None, 17.0])):
        problems = Problems("table")
        found = read_spans([CONTEXT] * 3, pl.Series("a", ["Fever", None, "Cough"]), starts, problems)
        assert found == [(("Fever", 0),), (), (("Cough", 17),)] and not problems.found


def test_without_offsets_an_answer_must_occur_once() -> None:
    problems = Problems("table")
    answers = pl.Series("a", ["Cough", "sign", "Secret", "", "cough is"])
    found = read_spans([*[CONTEXT] * 5], answers, None, problems)
    assert found == [(("Cough", 17),), None, None, (), None]
    told = {p.row: p.reason for p in problems.found}
    assert "occurs 2 times" in told[2] and told[3] == "the answer is not in the context" and "capitals" in told[5]


def test_white_space_at_the_ends_of_an_answer_is_of_it_and_a_row_without_context_is_passed_over() -> None:
    problems = Problems("table")
    answers = pl.Series("a", [[" is a"], ["Fever"]])
    assert read_spans([CONTEXT, None], answers, pl.Series("s", [[5], [0]]), problems) == [((" is a", 5),), None]
    assert not problems.found
