"""Scores of answers against their definitions, written plainly."""

from __future__ import annotations

import re
import string

import numpy as np
import pytest

from medplug.core.errors import DataError, UsageError
from medplug.core.evaluation.answers import (
    METRICS,
    estimate_answers,
    exact_match,
    normalised,
    rouge_l,
    score_answers,
    token_f1,
)

WORDS = ["the", "a", "fever", "Fever,", "high", "cough.", "an", "x-ray", "(mild)", "theory"]


def sentences(seed: int, count: int = 60) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(0, 9))) for _ in range(count)]


def plain_tokens(text: str) -> list[str]:
    """Lower case, no punctuation, no articles: word by word, where `normalised` goes over the whole text."""
    words = ("".join(c for c in word if c not in string.punctuation) for word in text.lower().split())
    return [word for word in words if word and word not in ("a", "an", "the")]


def plain_f1(ours: list[str], theirs: list[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    left, common = list(theirs), 0
    for word in ours:
        if word in left:
            left.remove(word)
            common += 1
    if not common:
        return 0.0
    precision, recall = np.float64(common) / len(ours), np.float64(common) / len(theirs)
    return float(2 * precision * recall / (precision + recall))


def plain_lcs(one: list[str], other: list[str]) -> int:
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=np.int64)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


def test_exact_match_and_f1_are_those_of_squad() -> None:
    for ours, theirs in zip(sentences(0), sentences(1), strict=True):
        one, other = plain_tokens(ours), plain_tokens(theirs)
        assert exact_match(ours, theirs) == (one == other)
        assert token_f1(ours, theirs) == pytest.approx(plain_f1(one, other))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The  Fever, a sign!", "fever sign"),
        ("x-ray of the theory", "xray of theory"),
        ("U.S.A.", "usa"),
        ("A.", ""),
        ("“quoted”", "“quoted”"),
        ("发热，咳嗽。", "发 热 咳 嗽"),
        ("CT 显示an肺炎", "ct 显 示 肺 炎"),
    ],
)
def test_normalised_texts_are_as_the_definition_says(text: str, told: str) -> None:
    assert normalised(text) == told


def test_a_normalised_text_stays_as_it_is() -> None:
    for text in sentences(2):
        assert normalised(normalised(text)) == normalised(text)


def test_chinese_is_scored_by_character() -> None:
    assert token_f1("发热咳嗽", "咳嗽") == pytest.approx(2 * 2 / 6)
    assert rouge_l("发热，咳嗽", "咳嗽发热") == pytest.approx(0.5)


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence() -> None:
    for ours, theirs in zip(sentences(3), sentences(4), strict=True):
        one, other = (re.findall(r"[a-z0-9]+", text.lower()) for text in (ours, theirs))
        if one and other:
            common = plain_lcs(one, other)
            precision, recall = np.float64(common) / len(one), np.float64(common) / len(other)
            plain = 2 * precision * recall / (precision + recall) if common else 0.0
            assert rouge_l(ours, theirs) == pytest.approx(plain)


def test_rouge_l_of_long_answers() -> None:
    draw = np.random.default_rng(0)
    one, other = ([f"w{i}" for i in draw.integers(0, 20, 150)] for _ in range(2))
    assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(plain_lcs(one, other) / 150)


def test_the_example_of_lin() -> None:
    gold = "police killed the gunman"
    assert rouge_l("police kill the gunman", gold) == pytest.approx(3 / 4)
    assert rouge_l("the gunman kill police", gold) == pytest.approx(2 / 4)


@pytest.mark.parametrize("metric", list(METRICS))
def test_every_score_is_even_handed_and_between_nothing_and_all(metric: str) -> None:
    score = METRICS[metric]
    for ours, theirs in zip(sentences(5), sentences(6), strict=True):
        assert 0 <= score(ours, theirs) == score(theirs, ours) <= 1 and score(ours, ours) == 1


def test_the_best_of_several_right_answers_counts() -> None:
    found = score_answers(["high fever"], [["cough", "fever", "the"]], ["exact_match", "token_f1"])
    assert found["exact_match"].tolist() == [0] and found["token_f1"].tolist() == [pytest.approx(2 / 3)]


def test_no_answer_is_right_where_there_is_none_and_wrong_elsewhere() -> None:
    predicted, golds = ["", "fever", "", "", "the"], [[], [], ["fever"], ["", "fever"], []]
    for name in METRICS:
        found = score_answers(predicted, golds, [name])[name]
        assert found.tolist() == [1, 0, 0, 0, 1 if name != "rouge_l" else 0]


def test_estimates_are_means_with_intervals_and_groups_are_drawn_whole() -> None:
    ours, theirs = sentences(7, 200), [[gold] for gold in sentences(8, 200)]
    by_row = score_answers(ours, theirs, list(METRICS))
    found = estimate_answers(ours, theirs, list(METRICS), resamples=300, seed=1)
    for name, estimate in found.items():
        values = by_row[name]
        assert estimate.value == pytest.approx(values.mean())
        half = 1.96 * values.std() / np.sqrt(len(values))
        assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
        assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)
    groups = [str(i % 4) for i in range(200)]
    grouped = estimate_answers(ours * 1, theirs, ["token_f1"], groups=groups, resamples=100)
    assert grouped["token_f1"].value == pytest.approx(found["token_f1"].value)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="1 predicted answers for 2 rows"):
        score_answers(["a"], [["a"], ["b"]], ["token_f1"])
    with pytest.raises(UsageError, match="did you mean rouge_l"):
        score_answers(["a"], [["a"]], ["rouge"])
    with pytest.raises(DataError, match="no rows"):
        estimate_answers([], [], ["token_f1"])
