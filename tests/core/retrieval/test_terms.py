"""The terms that BM25 counts, of English, Chinese and what mixes them."""

from __future__ import annotations

import random
import re

from medplug.core.plain.text import TOKEN
from medplug.core.retrieval.terms import terms


def test_the_quick_way_for_ascii_finds_what_the_pattern_of_the_text_baseline_finds() -> None:
    draw = random.Random(0)
    for _ in range(200):
        text = "".join(chr(draw.randrange(128)) for _ in range(60))
        assert terms(text) == re.findall(TOKEN, text.lower())


def test_a_letter_outside_ascii_changes_nothing_but_its_own_word() -> None:
    text = "IL-6 >5 mg/dL, K+ 3.1 (snake_case)"
    assert terms(text + " café") == [*terms(text), "café"]


def test_chinese_is_cut_into_characters_and_pairs_of_neighbours() -> None:
    assert terms("高血压") == ["高", "血", "压", "高血", "血压"]
    assert terms("IL6升高↑") == ["il6", "升", "高", "升高", "↑"]
    assert terms("高。血") == ["高", "血"]


def test_case_and_punctuation_do_not_count() -> None:
    assert terms("Type-2 DIABETES!") == terms("type 2, diabetes")
    assert terms(" .,\n") == terms("") == []
