"""Answers without a model: sentences of contexts."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.answers.questions import Pair
from medplug.core.answers.windows import NONE
from medplug.core.plain.sentences import NearestSentence, first_sentences, sentences


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "No fever. A dose of 5.3 mg, twice!  Why?\nA line\n\n last",
            "No fever.|A dose of 5.3 mg, twice!|Why?|A line|last",
        ),
        (
            "\u54b3\u55fd\u4e09\u5929\u3002\u65e0\u53d1\u70ed\uff01\u597d",
            "\u54b3\u55fd\u4e09\u5929\u3002|\u65e0\u53d1\u70ed\uff01|\u597d",
        ),
        ("  one ", "one"),
        ("Well... then.", "Well...|then."),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_sentences_end_at_their_marks_and_at_lines(text: str, told: str) -> None:
    assert "|".join(text[start:end] for start, end in sentences(text)) == told


def test_the_first_sentence_is_always_given_where_there_is_one() -> None:
    pairs = [Pair("q", " No fever. A cough."), Pair("q", "  ")]
    found = first_sentences(pairs)
    assert found.texts([pair.context for pair in pairs]) == ["No fever.", ""]


PAIRS = [
    Pair("how long did the cough last", "The fever was high. The cough did last three weeks. A rash came."),
    Pair("was there a rash", "The fever was high. The cough did last three weeks. A rash came."),
    Pair("how high was the fever", "He had pain. The fever was high."),
    Pair("zzz", "He had pain. The fever was high."),
    Pair("was there pain", " "),
]


def test_the_nearest_sentence_shares_most_words_with_its_question() -> None:
    baseline = NearestSentence()
    baseline.fit(PAIRS)
    found = baseline.find(PAIRS)
    told = found.texts([pair.context for pair in PAIRS])
    assert told == ["The cough did last three weeks.", "A rash came.", "The fever was high.", "He had pain.", ""]
    assert found.score[3] == 0 and (found.score[:3] > 0).all() and found.score.max() <= 1
    assert found.start[4] == NONE and found.score[4] == -np.inf


def test_neither_order_nor_other_rows_change_a_nearest_sentence() -> None:
    baseline = NearestSentence()
    baseline.fit(PAIRS)
    whole = baseline.find(PAIRS)
    for row, pair in enumerate(PAIRS):
        alone = baseline.find([pair])
        assert (alone.start[0], alone.end[0]) == (whole.start[row], whole.end[row])
        assert alone.score[0] == pytest.approx(whole.score[row])
