"""From the columns of a table to the modalities of its patients, None where one is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from medplug.core.data import cells
from medplug.core.data.cleaning import Cleaning
from medplug.core.data.tabular import read_rows
from medplug.core.images.store import ImageStore
from medplug.core.images.table import ImageReader
from medplug.core.signals.table import SignalReader
from medplug.plugins.multimodal.schema import Schema, named

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.plugins.multimodal.options import MultimodalData

_EMPTY = {"tabular": "all of its values are missing", "genes": "all of its values are missing"}


@dataclass(slots=True)
class PatientReader:
    """Reads the modalities of one table; `folder` is the table's own, `names` what predictions call its rows."""

    data: MultimodalData
    schema: Schema
    folder: Path | None
    scratch: Path | None
    problems: Problems
    report: Callable[[int, int], None]
    names: list[str] | None = None

    def read(self, table: pl.DataFrame) -> dict[str, list[Any]]:
        """Each slot in use with one raw value a row, None where the row lacks it, or the table its columns.

        A row that lacks all of them is a problem.
        """
        inputs = {
            slot: self._slot(slot, table) if self._in(table, slot) else [None] * table.height
            for slot in self.data.in_use
        }
        self._refuse_empty(inputs)
        return inputs

    def _in(self, table: pl.DataFrame, slot: str) -> bool:
        """Whether a table has the columns of a slot: all are in it, or none."""
        settled = slot in self.schema.tables or (slot == "signal" and self.schema.samples)
        first, *_ = self.schema.names(slot) if settled else named(self.data, slot)
        return first in table.columns

    def _slot(self, slot: str, table: pl.DataFrame) -> list[Any]:
        if slot in self.schema.tables:
            return list(read_rows(table, self.schema.tables[slot], self.problems))
        return {"text": self._texts, "image": self._images, "signal": self._signals}[slot](table)

    def _texts(self, table: pl.DataFrame) -> list[Any]:
        assert self.data.text is not None
        clean = Cleaning()
        found = [clean(text) if text else "" for text in cells.texts(table[self.data.text], "data.text").to_list()]
        return [text or None for text in found]

    def _images(self, table: pl.DataFrame) -> list[Any]:
        data = self.data
        assert data.image is not None
        store = ImageStore(self.scratch)
        reader = ImageReader(data.root, self.folder, data.reading, store, self.problems, self.report)
        column = reader.column(table, data.image, "image", required=False)
        self.names = column.names
        return list(reader.images(column))

    def _signals(self, table: pl.DataFrame) -> list[Any]:
        data = self.data
        column = self.schema.samples or data.signal
        assert column is not None
        reader = SignalReader(column, data.root, self.folder, data.rate, None, self.problems)
        return list(reader.read(table))

    def _refuse_empty(self, inputs: dict[str, list[Any]]) -> None:
        """Note the rows that lack every modality, but for those that are bad already: what they hold is not known."""
        bad = self.problems.rows
        rows = [
            row
            for row, values in enumerate(zip(*inputs.values(), strict=True), 1)
            if all(value is None for value in values) and row not in bad
        ]
        self.problems.add(rows, ", ".join(self._called(slot) for slot in inputs), _reason(list(inputs)))

    def _called(self, slot: str) -> str:
        """What a problem calls the columns of a slot."""
        if slot == "image" and self.data.image is not None:
            return self.data.image
        first, *more = named(self.data, slot)
        return f"{first} and {len(more)} more" if more else first


def _reason(slots: Sequence[str]) -> str:
    if len(slots) > 1:
        return "every modality is missing; a row needs one of them"
    return _EMPTY.get(slots[0], f"the {slots[0]} is empty")
