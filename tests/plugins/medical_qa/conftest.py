from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medplug.core.data.reading import open_table, read_examples
from medplug.core.task import Examples
from medplug.plugins.medical_qa.options import MedicalQaData, MedicalQaOptions
from medplug.plugins.medical_qa.task import MedicalQa

Problems = list[tuple[int, str, str]]
Read = Callable[..., tuple[Examples, Problems]]


@pytest.fixture
def task() -> Callable[..., MedicalQa]:
    """Makes the task of a form with these ``data.*`` keys, and further ``task.*`` as keywords."""

    def made(form: str, data: dict[str, Any] | None = None, **options: Any) -> MedicalQa:
        checked = MedicalQaOptions.model_validate({"form": form, **options})
        return MedicalQa(checked, MedicalQaData.model_validate(data or {}))

    return made


@pytest.fixture
def read() -> Read:
    """Reads a table for a task as a run does: its usable rows, and the problems of the others."""

    def found(
        task: MedicalQa, source: Any, *, labelled: bool = True, key: str = "data.train"
    ) -> tuple[Examples, Problems]:
        any_of = task.columns_of_slots() if key == "INPUT" else []
        columns = task.columns(labelled=labelled)
        frame, folder = open_table(task, source, key=key, columns=columns, any_of=any_of)
        rows, problems = read_examples(task, task.data, frame, "table.csv", labelled=labelled, folder=folder)
        return rows, [(problem.row, problem.column, problem.reason) for problem in problems.in_order()]

    return found
