from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medplug.core.data.reading import open_table, read_examples
from medplug.core.task import Examples
from medplug.plugins.imaging.options import ImagingData, ImagingOptions
from medplug.plugins.imaging.task import Imaging

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Save = Callable[..., str]


@pytest.fixture
def read() -> Read:
    """Reads a table, or what stands for one, as a run does: its usable rows, and the problems of the others."""

    def found(
        source: Any,
        data: dict[str, Any] | None = None,
        *,
        labelled: bool = True,
        key: str = "data.train",
        **options: Any,
    ) -> tuple[Examples, list[tuple[int, str, str]]]:
        task = Imaging(ImagingOptions(**options), ImagingData(**(data or {})))
        frame, folder = open_table(task, source, key=key, columns=task.columns(labelled=labelled))
        rows, problems = read_examples(task, task.data, frame, "table.csv", labelled=labelled, folder=folder)
        return rows, [(problem.row, problem.column, problem.reason) for problem in problems.found]

    return found


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes an array as an image file below the test's folder; gives its path there."""

    def written(name: str, array: np.ndarray[Any, Any]) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
        return name

    return written


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table of these columns into the test's folder; gives its path."""

    def written(**columns: Any) -> Path:
        pl.DataFrame(columns).write_csv(tmp_path / "table.csv")
        return tmp_path / "table.csv"

    return written
