from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupShuffleSplit

from medplug.core.plain.text import PlainText
from medplug.plugins.text_diagnosis import sample_phrases as phrases
from medplug.plugins.text_diagnosis.sample import sample

NAMES = (
    *("pneumonia", "heart failure", "appendicitis", "migraine", "urinary tract infection", "ketoacidosis"),
    *(r"\bUTI\b", r"\bDKA\b", r"\bCCF\b", r"\bCHF\b"),
    *("肺炎", "心力衰竭", "心衰", "阑尾炎", "偏头痛", "尿路感染", "泌尿系感染", "酮症酸中毒"),
)


@pytest.fixture(scope="module")
def notes() -> pl.DataFrame:
    return sample()


def test_the_sample_is_the_same_every_time_and_another_for_another_seed(notes: pl.DataFrame) -> None:
    assert notes.equals(sample())
    assert not notes.equals(sample(seed=1))


def test_half_of_the_480_notes_are_english_and_no_two_are_the_same(notes: pl.DataFrame) -> None:
    assert notes.height == 480
    assert dict(notes["language"].value_counts().iter_rows()) == {"en": 240, "zh": 240}
    assert notes["note"].n_unique() == 480


def test_no_note_names_a_diagnosis(notes: pl.DataFrame) -> None:
    named = re.compile("|".join(NAMES), re.IGNORECASE)
    assert not [note for note in notes["note"] if named.search(note)]


def test_a_patient_has_one_to_three_notes_and_one_of_everything_else(notes: pl.DataFrame) -> None:
    patients = notes.group_by("patient").agg(pl.len(), pl.exclude("note").n_unique().name.suffix("_n"))
    assert patients.height == 260
    assert set(patients["len"]) == {1, 2, 3}
    assert patients.select(pl.col("^.*_n$").max()).row(0) == (1,) * 5


def test_every_site_and_language_has_every_diagnosis(notes: pl.DataFrame) -> None:
    assert notes.select("site", "diagnosis").unique().height == 3 * 6
    assert notes.select("language", "diagnosis").unique().height == 2 * 6


def test_english_notes_have_15_to_60_words(notes: pl.DataFrame) -> None:
    words = [len(note.split()) for note in notes.filter(pl.col("language") == "en")["note"]]
    assert min(words) >= 15
    assert max(words) <= 60


def test_no_note_denies_what_it_affirms(notes: pl.DataFrame) -> None:
    usual = [wordings[0] for wordings in phrases.FINDINGS["en"].values()]
    denials = re.compile(r"(?:No|Denies|Without|Has not had|Negative for) ([^.]+)\.")
    for note in notes.filter(pl.col("language") == "en")["note"]:
        told, denied = denials.sub("", note).lower(), " ".join(denials.findall(note)).lower()
        assert not [w for w in usual if re.search(rf"\b{w.lower()}\b", told) and f" {w} " in f" {denied} "]


def test_both_languages_write_every_finding() -> None:
    named = {finding for profile in phrases.PROFILES.values() for finding in profile} | set(phrases.COMMON)
    assert set(phrases.FINDINGS["en"]) == set(phrases.FINDINGS["zh"]) == named
    assert named > phrases.SIGNS


def test_a_linear_model_of_words_learns_the_sample_well_but_not_perfectly(notes: pl.DataFrame) -> None:
    texts, labels, patients = (notes[name].to_numpy() for name in ("note", "diagnosis", "patient"))
    scores = []
    for train, test in GroupShuffleSplit(3, test_size=0.3, random_state=0).split(texts, groups=patients):
        features = PlainText()
        model = LogisticRegression(C=10, max_iter=1000).fit(features.fit_transform(texts[train]), labels[train])
        scores.append(f1_score(labels[test], model.predict(features.transform(texts[test])), average="macro"))
    assert 0.80 < np.mean(scores) < 0.92
