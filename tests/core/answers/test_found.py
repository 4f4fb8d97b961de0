"""Answers that were found: the text that is given, and from which odds on one is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medplug.core.answers.found import NO_ANSWER, FoundSpans, choose_threshold, whole_characters
from medplug.core.answers.windows import NONE
from medplug.core.evaluation.answers import score_answers


def found(spans: Any, score: Any, threshold: float = 0.0) -> FoundSpans:
    places = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return FoundSpans(places[:, 0], places[:, 1], np.array(score, dtype=np.float32), threshold)


def test_an_answer_is_given_where_its_odds_are_above_the_threshold() -> None:
    each = found([(0, 2), (1, 3), (2, 4), (NONE, NONE)], [1.0, 0.5, 0.0, -np.inf], threshold=0.5)
    assert each.given.tolist() == [True, False, False, False]
    assert each.texts(["abcd"] * 4) == ["ab", NO_ANSWER, NO_ANSWER, NO_ANSWER]
    assert replace(each, threshold=-np.inf).given.tolist() == [True, True, True, False]
    np.testing.assert_allclose(each.chance, 1 / (1 + np.exp(-each.score.astype(float))))
    np.testing.assert_allclose(each.certainty, [each.chance[0], *(1 - each.chance[1:])])


def mean_f1(spans: FoundSpans, contexts: list[str], answers: Any, threshold: float) -> float:
    texts = replace(spans, threshold=threshold).texts(contexts)
    right = [[text for text, _ in row] for row in answers]
    return float(score_answers(texts, right, ["token_f1"])["token_f1"].mean())


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_has_a_higher_mean_f1(seed: int) -> None:
    draw = np.random.default_rng(seed)
    words = ["fever", "cough", "rash", "pain"]
    contexts, answers, spans = [], [], []
    for _ in range(12):
        context = " ".join(draw.permutation(words))
        word = str(draw.choice(words))
        at = context.index(word)
        spans.append((at, at + len(word)))
        right = str(draw.choice(words)) if draw.random() < 0.3 else word
        answers.append(() if draw.random() < 0.4 else ((right, context.index(right)),))
        contexts.append(context)
    answers[0] = ()
    each = found(spans, np.round(draw.normal(0, 2, 12)))  # some are equal
    chosen = choose_threshold(each, contexts, answers)
    best = max(mean_f1(each, contexts, answers, t) for t in (*(each.score - 0.5), *(each.score + 0.5)))
    assert mean_f1(each, contexts, answers, chosen) == pytest.approx(best)


def test_where_the_models_own_odds_are_as_good_as_any_they_are_kept() -> None:
    each, answers = found([(0, 2)] * 3, [2.0, 1.0, -1.0]), [(("ab", 0),), (("ab", 0),), ()]
    assert choose_threshold(each, ["abcd"] * 3, answers) == 0
    assert choose_threshold(replace(each, score=each.score + 5), ["abcd"] * 3, answers) == 5
    assert choose_threshold(each, ["abcd"] * 3, [(("cd", 2),), (), ()]) >= 1  # none of them is worth giving


def test_where_every_row_has_an_answer_one_is_always_given() -> None:
    each = found([(0, 2)] * 2, [2.0, -9.0])
    assert choose_threshold(each, ["abcd"] * 2, [(("ab", 0),), (("cd", 2),)]) == -np.inf


@pytest.mark.parametrize(
    ("context", "span", "whole"),
    [
        ("a cafe\u0301 b", (2, 6), (2, 7)),
        ("a x\u0301\u0323y", (2, 3), (2, 5)),
        ("a  b\n c", (1, 6), (3, 4)),
        ("\u4e09\u5929\u3000", (0, 3), (0, 2)),
        ("a   b", (1, 4), (1, 1)),
        ("abc", (0, 3), (0, 3)),
    ],
)
def test_spans_lose_blanks_and_keep_the_marks_of_their_last_letter(context: str, span: Any, whole: Any) -> None:
    assert whole_characters(context, *span) == whole
