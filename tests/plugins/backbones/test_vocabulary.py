"""What a vocabulary knows, and how it writes a text as ids."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medplug.plugins.backbones.vocabulary import PAD, UNKNOWN, Units, Vocabulary, choose_units, split_units

NOTES = ["Fever and cough.", "fever, no cough", "Cough; seen by Dr Abernathy Abernathy", "fever and rash"]


def learn(texts: list[str], *, ngrams: int = 1, min_count: int = 2, max_size: int = 1000) -> Vocabulary:
    return Vocabulary.learn(texts, units="auto", ngrams=ngrams, min_count=min_count, max_size=max_size)


def test_entries_stand_in_order_of_the_texts_that_hold_them_and_then_of_themselves() -> None:
    assert learn(NOTES).entries == ("cough", "fever", "and")


def test_the_order_of_the_texts_does_not_matter() -> None:
    assert learn(NOTES, ngrams=2) == learn(NOTES[::-1], ngrams=2)


def test_a_name_in_a_single_note_stays_out_however_often_it_stands_there() -> None:
    saved = json.dumps(learn(NOTES, ngrams=2).to_json())
    assert "abernathy" not in saved
    assert "abernathy" in json.dumps(learn(NOTES, min_count=1).to_json())


def test_a_pair_is_known_by_the_texts_that_hold_it() -> None:
    entries = learn(["chest pain", "chest pain", "pain chest"], ngrams=2).entries
    assert entries == ("chest", "pain", "chest pain")


def test_the_size_is_bounded_by_the_most_frequent() -> None:
    assert learn(NOTES, max_size=2).entries == ("cough", "fever")


def test_words_for_spaced_scripts_and_characters_for_ideographs() -> None:
    assert choose_units(["Patient mit Fieber", "toux fébrile"]) == "words"
    assert choose_units(["患者拟行急症手术；", "HbA1c≥7%的糖尿病患者"]) == "characters"
    assert choose_units(["発熱とせきがあります"]) == "characters"
    assert choose_units(["BMI 31 kg/m2, 高血压"]) == "words"
    assert choose_units([]) == "words"


@pytest.mark.parametrize(
    ("units", "expected"),
    [("words", ["t", "38", ".", "5", "°", "c"]), ("characters", ["t", "3", "8", ".", "5", "°", "c"])],
)
def test_case_width_and_blanks_do_not_matter(units: Units, expected: list[str]) -> None:
    assert split_units(" Ｔ ３８．５ °C\n", units) == expected


def test_unknown_units_are_1_and_unknown_pairs_add_nothing() -> None:
    vocabulary = learn(["chest pain", "chest pain"], ngrams=2)
    chest, pain, pair = 2, 4, 3
    assert vocabulary.entries == ("chest", "chest pain", "pain")
    ids = vocabulary.encode("Severe chest pain")
    assert ids.dtype == np.int32
    assert ids.tolist() == [[UNKNOWN, PAD], [chest, PAD], [pain, pair]]


@pytest.mark.parametrize("text", ["", "  \n"])
@pytest.mark.parametrize("ngrams", [1, 2])
def test_an_empty_text_is_one_unknown_unit(text: str, ngrams: int) -> None:
    assert learn(NOTES, ngrams=ngrams).encode(text).tolist() == [[UNKNOWN, PAD][:ngrams]]


def test_ids_lie_below_the_length() -> None:
    vocabulary = learn(NOTES, ngrams=2)
    assert max(int(vocabulary.encode(note).max()) for note in NOTES) == len(vocabulary) - 1


def test_it_survives_json() -> None:
    vocabulary = learn(["发热伴咳嗽", "发热三天"], ngrams=2)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again == vocabulary
    assert np.array_equal(again.encode("发热五天"), vocabulary.encode("发热五天"))


def test_what_only_one_patient_has_is_not_learned_however_many_notes_they_have() -> None:
    texts = ["Mr Smith has a cough", "Mr Smith has a fever", "she has a cough"]
    by_note = Vocabulary.learn(texts, units="words", ngrams=1, min_count=2, max_size=100)
    by_patient = Vocabulary.learn(texts, ["7", "7", "8"], units="words", ngrams=1, min_count=2, max_size=100)
    assert "smith" in by_note.entries
    assert "smith" not in by_patient.entries and "cough" in by_patient.entries
