"""Passages beside the rows: part of what a run is made of, read once, and refused where nothing reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from medplug.core.data.reading import fingerprints
from medplug.core.errors import ConfigError
from medplug.core.retrieval.corpus import content_id
from medplug.plugins.medical_qa.task import MedicalQa

Make = Callable[..., MedicalQa]
ROWS = {"question": ["what of fever"], "passage": ["Fever  is heat"], "answer": ["heat"], "label": ["yes"]}


def marks(made: MedicalQa) -> dict[str, str]:
    return fingerprints(made, made.data, ())


@pytest.mark.parametrize("form", ["retrieval", "generative"])
def test_another_corpus_makes_another_run(task: Make, form: str) -> None:
    def of(*passages: str) -> dict[str, str]:
        corpus = None if not passages else pl.DataFrame({"passage": passages})
        return marks(task(form, {"train": pl.DataFrame(ROWS), "corpus": corpus}))

    one, other = of("a rash", "a cough"), of("a rash", "a cold")
    assert one["train"] == other["train"] and one["corpus"] != other["corpus"]
    assert one == of("a rash", "a cough") and "corpus" not in of()


def test_a_corpus_is_read_once(task: Make) -> None:
    made = task("retrieval", {"corpus": "sample", "passage_id": "id"})
    assert made.further_passages() is made.further_passages() is not None


@pytest.mark.parametrize("form", ["yes_no_maybe", "entailment", "multiple_choice", "extractive"])
def test_a_form_that_reads_no_passages_refuses_them(task: Make, form: str) -> None:
    with pytest.raises(ConfigError, match=rf"task\.form={form} reads none.*task\.form=retrieval or generative"):
        task(form, {"corpus": pl.DataFrame({"passage": ["a rash"]})}).further_passages()
    assert task(form, {"corpus": "sample"}).further_passages() is None  # as the built-in sample has it


def test_a_passage_has_one_id_in_rows_and_in_a_corpus(task: Make, read: Callable[..., Any]) -> None:
    rows, problems = read(task("retrieval"), pl.DataFrame(ROWS))
    assert not problems and rows.labels == [content_id("fever is heat")]
