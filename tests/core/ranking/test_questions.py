"""Backbones ranked for questions: through the task's reader, or refused where rows have no class of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import medplug
from medplug.core.errors import UsageError
from medplug.plugins.medical_qa.samples.exams import exams
from medplug.plugins.medical_qa.samples.leaflets import leaflets
from medplug.plugins.medical_qa.samples.matches import matches

pytestmark = pytest.mark.usefixtures("one_thread")


def ranked(folders: list[Path], form: str, table: Any) -> Any:
    data = {"train": table.head(40)}
    return medplug.rank(task="medical_qa", backbones=folders, data=data, device="cpu", **{"task.form": form})


def test_pairs_are_read_as_a_run_reads_them(tiny_bert: Path, tiny_gpt2: Path) -> None:
    found = ranked([tiny_bert, tiny_gpt2], "entailment", matches())
    assert {each.facts["width"] for each in found.candidates} == {4 * 32}


@pytest.mark.parametrize(
    ("form", "table", "kind"), [("multiple_choice", exams, "choice"), ("extractive", leaflets, "span")]
)
def test_rows_without_a_class_of_their_own_are_refused(
    tiny_bert: Path, tiny_gpt2: Path, form: str, table: Any, kind: str
) -> None:
    with pytest.raises(UsageError, match=f"this target is {kind}; train a run with each"):
        ranked([tiny_bert, tiny_gpt2], form, table())
