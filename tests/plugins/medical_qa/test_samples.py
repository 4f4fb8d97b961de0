from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.plugins.medical_qa.corpus import SAMPLE
from medplug.plugins.medical_qa.samples.encyclopaedia import passages, questions_and_answers, questions_and_passages
from medplug.plugins.medical_qa.samples.exams import FACTS, exams
from medplug.plugins.medical_qa.samples.leaflets import leaflets
from medplug.plugins.medical_qa.samples.matches import matches
from medplug.plugins.medical_qa.samples.trials import trials
from medplug.plugins.medical_qa.task import FORMS, MedicalQa

Make = Callable[..., MedicalQa]
SAMPLES: list[Callable[..., pl.DataFrame]] = [trials, exams, matches, leaflets, questions_and_passages, passages]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_the_same_every_time_and_another_for_another_seed(sample: Callable[..., pl.DataFrame]) -> None:
    assert sample().equals(sample())
    assert not sample().equals(sample(seed=1))


@pytest.mark.parametrize("form", FORMS)
def test_every_row_of_a_sample_is_read_under_whatever_names_the_columns_have(form: str, task: Make) -> None:
    plain = task(form)
    rows = plain.examples(plain.sample(), Problems("sample"), labelled=True)
    named: dict[str, Any] = {"question": "Q", "label": "L", "answer": "R", "answer_start": "S", "other": "O"}
    named |= {"passage": "P", "options": ["A", "B", "C", "D", "E"]}
    own = task(form, named)
    problems = Problems("sample")
    again = own.examples(own.sample(), problems, labelled=True)
    assert not problems.found and 200 < len(rows) < 1000
    assert (rows.values, rows.labels) == (again.values, again.labels)
    assert set(own.columns(labelled=True).values()) <= set(own.sample().columns)


def test_a_sample_has_answers_of_every_kind() -> None:
    shares = dict(trials()["label"].value_counts(normalize=True).iter_rows())
    assert set(shares) == {"yes", "no", "maybe"} and min(shares.values()) > 0.15
    assert 0.4 < (matches()["label"] == "yes").mean() < 0.6  # type: ignore[operator]
    assert 0.15 < leaflets()["answer"].is_null().mean() < 0.35  # type: ignore[operator]
    assert set(exams()["options"].list.len()) == {3, 4, 5} and set(exams()["answer"]) == {0, 1, 2, 3, 4}


def test_a_few_keys_of_the_exam_are_wrong() -> None:
    goes = {(c, fact) for c, facts in FACTS.items() for fact in facts.values()}
    goes |= {(fact, c) for c, fact in goes}
    sound = [
        any(asked.lower() in question.lower() and told == options[answer] for asked, told in goes)
        for question, options, answer in exams().rows()
    ]
    assert 0.92 < sum(sound) / len(sound) < 0.99


def test_answers_stand_in_their_passages_and_these_in_the_corpus() -> None:
    corpus = passages()
    assert corpus["id"].n_unique() == corpus["passage"].n_unique() == corpus.height
    for _, answer, passage in questions_and_answers().rows():
        assert answer in passage
    known = dict(corpus.rows())
    assert all(known[name] == passage for _, passage, name in questions_and_passages().rows())


def test_the_sample_of_a_run_comes_with_its_corpus() -> None:
    assert MedicalQa.sample_columns["corpus"] == SAMPLE
