from __future__ import annotations

import numpy as np
import pytest

from medplug.core.plain.text import PlainText


def similarity(texts: list[str], one: str, other: str) -> float:
    features = PlainText()
    features.fit_transform(texts)
    a, b = features.transform([one, other]).toarray()
    return float(a @ b)


def test_english_is_read_by_word_and_pair_of_words() -> None:
    texts = ["no fever and cough", "fever and no cough"]
    first, second = PlainText().fit_transform(texts).toarray()
    assert set(np.sort(first[first > 0]).tolist()) == set(np.sort(second[second > 0]).tolist())
    assert not np.array_equal(first, second), "only pairs of words tell these notes apart"
    assert similarity(texts, "feverish", "coughing") == 0


def test_chinese_is_read_by_character() -> None:
    assert similarity(["患者咳嗽发热", "患者腹痛呕吐"], "咳嗽", "夜间咳嗽") > 0


def test_a_mixture_is_read_both_ways() -> None:
    texts = ["患者咳嗽发热"] * 5 + ["fever and cough"] * 5
    assert similarity(texts, "咳嗽", "夜间咳嗽") > 0
    features = PlainText()
    both = features.fit_transform(texts).shape[1]
    assert both > PlainText().fit_transform(texts[:5]).shape[1] + PlainText().fit_transform(texts[5:]).shape[1]


@pytest.mark.parametrize(("one", "other"), [("K 3", "K 5"), ("glucose ↑", "glucose ↓"), ("T < 38", "T > 38")])
def test_a_digit_and_a_sign_are_words(one: str, other: str) -> None:
    assert similarity([one, other], one, other) < 0.999


@pytest.mark.parametrize("texts", [["...", "!?"], [f"word{i}" for i in range(60)]])
def test_texts_with_no_word_in_common_still_have_features(texts: list[str]) -> None:
    assert PlainText().fit_transform(texts).shape[1] > 0


def test_transform_gives_the_columns_that_were_learned() -> None:
    features = PlainText()
    learned = features.fit_transform(["fever", "cough"])
    assert features.transform(["cough and something new"]).shape == (1, learned.shape[1])


def test_transform_before_learning_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="fit_transform"):
        PlainText().transform(["fever"])
