from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medplug.core.data.reading import open_table, read_examples
from medplug.core.task import Examples
from medplug.plugins.drug_target.options import DrugTargetData, DrugTargetOptions
from medplug.plugins.drug_target.task import DrugTarget

Problems = list[tuple[int, str, str]]
Read = Callable[..., tuple[Examples, Problems]]


@pytest.fixture
def task() -> Callable[..., DrugTarget]:
    """Makes the task with these ``data.*`` keys, and ``task.*`` as keywords."""

    def made(data: dict[str, Any] | None = None, **options: Any) -> DrugTarget:
        return DrugTarget(DrugTargetOptions(**options), DrugTargetData(**(data or {})))

    return made


@pytest.fixture
def read() -> Read:
    """Reads a table for a task as a run does: its usable rows, and the problems of the others."""

    def found(
        task: DrugTarget, source: Any, *, labelled: bool = True, key: str = "data.train"
    ) -> tuple[Examples, Problems]:
        any_of = task.columns_of_slots() if key == "INPUT" else []
        columns = task.columns(labelled=labelled)
        frame, folder = open_table(task, source, key=key, columns=columns, any_of=any_of)
        rows, problems = read_examples(task, task.data, frame, "table.csv", labelled=labelled, folder=folder)
        return rows, [(problem.row, problem.column, problem.reason) for problem in problems.in_order()]

    return found
