from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medplug.core.data.reading import open_table, read_examples
from medplug.core.task import Examples
from medplug.plugins.multimodal.options import MultimodalData, MultimodalOptions
from medplug.plugins.multimodal.task import MultimodalDiagnosis

Problems = list[tuple[int, str, str]]
Read = Callable[..., tuple[Examples, Problems]]


@pytest.fixture
def task() -> Callable[..., MultimodalDiagnosis]:
    """Makes the task with these ``data.*`` keys, and ``task.*`` as keywords."""

    def made(data: dict[str, Any] | None = None, **options: Any) -> MultimodalDiagnosis:
        return MultimodalDiagnosis(MultimodalOptions(**options), MultimodalData(**(data or {})))

    return made


@pytest.fixture
def read() -> Read:
    """Reads a table for a task as a run does: its usable rows, and the problems of the others."""

    def found(task: MultimodalDiagnosis, source: Any, *, labelled: bool = True) -> tuple[Examples, Problems]:
        frame, folder = open_table(task, source, key="data.train", columns=task.columns(labelled=labelled))
        rows, problems = read_examples(task, task.data, frame, "table.csv", labelled=labelled, folder=folder)
        return rows, [(problem.row, problem.column, problem.reason) for problem in problems.in_order()]

    return found


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], str]:
    """Writes a small image into the test's folder; gives its name."""

    def written(name: str) -> str:
        pixels = np.random.default_rng(len(name)).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        return name

    return written
