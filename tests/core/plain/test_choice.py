"""Choices without a model: by length, and by the words that options share with what is asked."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.answers.questions import Choice
from medplug.core.plain.choice import LongestOption, OptionOverlap

ROWS = [
    Choice("Which organ pumps blood?", ("The organ that pumps", "Lung")),
    Choice("Which drug treats pain?", ("Bone", "A drug", "A drug that treats strong pain")),
    Choice("What is it?", ("Cough", "Rash"), "The rash was seen on the arm."),
]


def fitted() -> OptionOverlap:
    found = OptionOverlap()
    found.fit(ROWS, [0, 2, 1])
    return found


def test_the_longest_option_scores_highest_and_options_that_are_not_there_lowest() -> None:
    found = LongestOption().scores(ROWS)
    assert found.tolist() == [[20, 4, -np.inf], [4, 6, 30], [5, 4, -np.inf]]


def test_shared_words_tell_the_option_and_a_context_counts() -> None:
    found = fitted().scores(ROWS)
    assert found.argmax(axis=1).tolist() == [0, 2, 1]
    assert np.isneginf(found).tolist() == [[False, False, True], [False] * 3, [False, False, True]]


@pytest.mark.parametrize("of", [LongestOption(), fitted()])
def test_scores_go_with_their_options_and_rows(of: LongestOption | OptionOverlap) -> None:
    turned = [Choice(row.question, row.options[::-1], row.context) for row in ROWS[::-1]]
    for row, before, after in zip(ROWS, of.scores(ROWS), of.scores(turned)[::-1], strict=True):
        count = len(row.options)
        np.testing.assert_allclose(before[:count], after[:count][::-1])
    np.testing.assert_allclose(of.scores(ROWS[:1])[0], of.scores(ROWS)[0, :2])


def test_cosines_lie_between_nothing_and_one_and_equal_texts_have_one() -> None:
    found = fitted().scores([Choice("Which drug treats pain?", ("Which drug treats pain?", "zzz"))])
    np.testing.assert_allclose(found, [[1.0, 0.0]])


def test_no_rows_have_no_scores() -> None:
    assert LongestOption().scores([]).shape == fitted().scores([]).shape == (0, 0)


def test_scoring_before_learning_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="fit_transform"):
        OptionOverlap().scores(ROWS)
