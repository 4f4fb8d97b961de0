"""The columns that a finished model needs of a table, and those that it gives: what a service makes its forms of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medplug.core.task import Examples, Task

if TYPE_CHECKING:
    import polars as pl

    from medplug.core.predictor import Predictor
    from medplug.core.specs import Cell


@dataclass(frozen=True, slots=True)
class NeededColumn:
    """A column of a table to predict on: its `name`, the configuration `key` that named it, and what its cells hold.

    One that is not `required` may be absent, where the columns of another modality are there.
    """

    name: str
    key: str
    cell: Cell
    required: bool


def needed_columns(task: Task) -> tuple[NeededColumn, ...]:
    """The columns that a task reads of rows without labels, each once."""
    cells, names = task.cells(), task.columns(labelled=False)
    spared = {key for group in task.columns_of_slots() for key in group}
    found = {name: NeededColumn(name, key, cells[key], key not in spared) for key, name in names.items()}
    return tuple(found.values())


def given_columns(predictor: Predictor) -> pl.Schema:
    """The columns that predictions have, with their types: what is predicted of no row tells them."""
    slots: dict[str, list[object]] = {slot: [] for slot in predictor.task.slots}
    return predictor.predicted(Examples(np.empty(0, dtype=np.int64), slots)).schema
