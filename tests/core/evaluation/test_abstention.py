"""From which score on an answer is given."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medplug.core.evaluation.abstention import Certainty, threshold


def certainties(*pairs: tuple[float, bool]) -> list[Certainty]:
    return [Certainty(score, right) for score, right in pairs]


def brute(found: list[Certainty], asked: float) -> float:
    """The lowest score such that enough of the answers from it on are right."""
    good = [
        each.score for each in found if np.mean([other.right for other in found if other.score >= each.score]) >= asked
    ]
    return min(good, default=math.inf)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_lowest_score_that_keeps_the_promise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, 40) / 11  # ties are common
    found = [Certainty(float(score), bool(rng.random() < score)) for score in scores]
    for asked in (0.5, 0.8, 1.0):
        told = threshold(found, asked)
        assert told.score == brute(found, asked)
        if math.isfinite(told.score):
            answered = [each.right for each in found if each.score >= told.score]
            assert told.right == pytest.approx(np.mean(answered)) and told.right >= asked
            assert told.answered == pytest.approx(len(answered) / len(found))


def test_all_are_answered_where_all_are_right() -> None:
    told = threshold(certainties((0.1, True), (0.9, True)), 0.9)
    assert (told.score, told.answered, told.right) == (0.1, 1.0, 1.0)


def test_none_is_answered_where_none_is_right_enough() -> None:
    told = threshold(certainties((0.9, False), (0.2, True)), 0.9)
    assert told.score == math.inf and told.answered == 0
    assert told.as_json() == {"score": None, "asked": 0.9, "answered": 0.0, "right": None}


def test_answers_of_the_same_score_are_taken_together() -> None:
    told = threshold(certainties((0.5, True), (0.5, False), (0.8, True)), 0.9)
    assert told.score == 0.8


def test_what_it_does_on_other_rows_is_counted() -> None:
    told = threshold(certainties((0.5, True), (0.4, False)), 0.9)
    assert told.held(certainties((0.9, False), (0.5, True), (0.1, True), (0.2, False))) == {
        "answered": 0.5,
        "right": 0.5,
    }
    assert told.held(certainties((0.1, True))) == {"answered": 0.0, "right": None}
    assert told.held([]) == {"answered": None, "right": None}


def test_without_rows_nothing_is_sure() -> None:
    assert threshold([], 0.5).score == math.inf
