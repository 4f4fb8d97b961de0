from __future__ import annotations

import pytest

from medplug.core.data.cleaning import Cleaning, is_chinese

PLAIN = Cleaning()
ENGLISH = Cleaning(stop_words="en")
CHINESE = Cleaning(stop_words="zh")


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("ＷＢＣ　１２．５", "WBC 12.5"),  # noqa: RUF001
        ("cafe\u0301", "café"),
        ("pneu\u200bmo\u00adnia\ufeff", "pneumonia"),
        ("chest\x00 pain\x07", "chest pain"),
        ("fever\x1fcough", "fever cough"),
        (" two\t\n  lines \r\n", "two lines"),
        ("ﬁrst", "first"),
    ],
)
def test_one_form_is_left_of_what_looks_the_same(raw: str, cleaned: str) -> None:
    assert PLAIN(raw) == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"), [("12×10⁹/L", "12×10^9/L"), ("1½ tablets", "1 1⁄2 tablets"), ("10⁻³", "10^−3")]
)
def test_an_exponent_and_a_fraction_keep_their_value(raw: str, cleaned: str) -> None:
    assert PLAIN(raw) == cleaned


def test_a_joiner_stays_where_it_spells_a_word() -> None:
    persian = "می\u200cخواهم"
    assert PLAIN(persian) == persian
    assert PLAIN("chest\u200cpain") == "chestpain"


def test_each_step_can_be_left_out() -> None:
    assert Cleaning(unicode=False)("Ａ  b") == "Ａ b"
    assert Cleaning(whitespace=False)("Ａ  b\n") == "A  b\n"


@pytest.mark.parametrize("cleaning", [PLAIN, ENGLISH, CHINESE])
def test_placeholders_stay_untouched(cleaning: Cleaning) -> None:
    placeholder = "[**The  Name of 的 Ｘ**]"
    assert cleaning(f"seen by  {placeholder} today") == f"seen by {placeholder} today"


@pytest.mark.parametrize("cleaning", [PLAIN, ENGLISH, CHINESE])
def test_cleaning_twice_changes_nothing_more(cleaning: Cleaning) -> None:
    once = cleaning(" The  patient is １½ better 了。\u200b [**Na  me**] 10⁹ ")
    assert cleaning(once) == once


@pytest.mark.parametrize(
    "finding",
    [
        "no fever", "not febrile", "without rebound", "never smoked", "more pain than before", "less than 38 after",
        "neither cough nor sputum", "off warfarin", "was febrile", "cannot walk",
    ],
)  # fmt: skip
def test_english_stop_words_leave_negations_comparisons_and_time(finding: str) -> None:
    assert ENGLISH(finding) == finding


def test_english_stop_words_drop_articles_and_pronouns() -> None:
    assert ENGLISH("The pain is in the chest of a man, and he has no fever") == "pain in chest man, has no fever"


@pytest.mark.parametrize("term", ["hepatitis A", "IT methotrexate", "a-wave", "HER2", "at 9 a.m. today", "BE-type"])
def test_english_stop_words_leave_terms_that_look_like_them(term: str) -> None:
    assert ENGLISH(term) == term


def test_chinese_stop_words_drop_particles() -> None:
    assert CHINESE("患者的咳嗽好转了吧") == "患者咳嗽好转"


@pytest.mark.parametrize("term", ["无发热", "未见皮疹", "睡不着", "着凉", "吗啡", "止不了血", "目的", "的确"])
def test_chinese_stop_words_leave_negations_and_words(term: str) -> None:
    assert CHINESE(term) == term


def test_chinese_is_what_most_letters_are() -> None:
    assert is_chinese(["患者咳嗽，WBC升高。"])
    assert not is_chinese(["The patient writes 咳嗽."])
    assert not is_chinese(["12.5 / 3"])
    assert not is_chinese([])


def test_chinese_is_seen_past_the_first_texts_of_a_sorted_table() -> None:
    assert is_chinese(["cough"] * 300 + ["患者咳嗽伴发热两天余"] * 3000)
