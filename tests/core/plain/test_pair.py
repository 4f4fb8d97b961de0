"""What a linear model is told of pairs and of options."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from medplug.core.answers.questions import Choice, Pair
from medplug.core.plain.choice import LongestOption, OptionOverlap, PlainChoice
from medplug.core.plain.pair import PlainPair
from medplug.core.plain.text import PlainText

ROWS = [
    Pair("which drug treats pain", "aspirin treats pain"),
    Pair("is fever a symptom", "rash on the arm"),
    Pair("which drug treats pain", "rash on the arm"),
]


def test_a_pair_has_the_words_of_both_texts_and_their_cosine() -> None:
    plain = PlainPair()
    found = plain.fit_transform(ROWS).toarray()
    text = PlainText()
    text.fit_transform(["which drug treats pain", "aspirin treats pain", "is fever a symptom", "rash on the arm"])
    one, other = (text.transform([getattr(row, side) for row in ROWS]).toarray() for side in ("question", "context"))
    np.testing.assert_allclose(found, np.hstack([one, other, np.diag(cosine_similarity(one, other))[:, None]]))
    assert found[0, -1] > 0 and found[1, -1] == 0
    np.testing.assert_allclose(plain.transform(ROWS[::-1]).toarray(), found[::-1])


def test_a_text_that_recurs_counts_once_and_an_empty_one_has_no_words() -> None:
    plain, again = PlainPair(), PlainPair()
    plain.fit_transform(ROWS)
    again.fit_transform([*ROWS, *ROWS])
    np.testing.assert_allclose(again.transform(ROWS).toarray(), plain.transform(ROWS).toarray())
    (row,) = plain.transform([Pair("which drug treats pain", "")]).toarray()
    assert row[-1] == 0 and not row[len(row) // 2 :].any() and row.any()


def test_pairs_before_learning_say_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="fit_transform"):
        PlainPair().transform(ROWS)


CHOICES = [
    Choice("Which organ pumps blood?", ("The organ that pumps", "Lung")),
    Choice("Which drug treats pain?", ("Bone", "A drug", "A drug that treats strong pain")),
]


def test_an_option_is_told_by_its_letter_length_and_words_and_absent_ones_are_zeros() -> None:
    found = PlainChoice().fit_transform(CHOICES).reshape(2, 8, 13)
    overlap = OptionOverlap()
    overlap.fit(CHOICES, [])
    lengths, shared = LongestOption().scores(CHOICES), overlap.scores(CHOICES)
    for row, count in zip(range(2), (2, 3), strict=True):
        told = found[row, :count]
        np.testing.assert_array_equal(told[:, :8], np.eye(8)[:count])
        np.testing.assert_allclose(told[:, 8], np.log1p(lengths[row, :count]))
        assert told[:, 9].tolist() == (lengths[row, :count] == lengths[row, :count].max()).tolist()
        np.testing.assert_allclose(told[:, 10], shared[row, :count])
        assert told[:, 12].tolist() == [1] * count and not found[row, count:].any()


def test_a_row_is_told_alike_whatever_the_others_have() -> None:
    plain = PlainChoice()
    both = plain.fit_transform(CHOICES)
    np.testing.assert_allclose(plain.transform(CHOICES[:1]), both[:1])
    assert plain.transform([]).shape == (0, 8 * 13)
