"""From the cells of a table to decoded images, and the problems of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from medplug.core.images.archives import ArrayFile
from medplug.core.images.decoding import decode_all
from medplug.core.images.formats import ImageError, Reading, read_image, to_pixels
from medplug.core.images.references import (
    ArchiveRow,
    Cell,
    Drawing,
    InMemory,
    Reference,
    cells_of,
    name_of,
    no_drawing,
    resolver,
    told,
)
from medplug.core.images.store import ImageStore, Pixels, StoredImage

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems

Stored = list[StoredImage | None]
"""An image a row, None where the row has none or is among the problems."""


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """A column of images or masks: its name, its cells, and what they refer to (None: empty, or a problem)."""

    name: str
    cells: list[Cell | None]
    references: list[Reference | None]

    @property
    def names(self) -> list[str] | None:
        """What each row is called by its image, None where all are arrays in memory."""
        found = [name_of(cell) for cell in self.cells]
        return found if any(found) else None

    def good(self, i: int, found: StoredImage | ImageError, problems: Problems) -> StoredImage | None:
        """What was decoded for row `i`, or None and a problem."""
        if isinstance(found, StoredImage):
            return found
        problems.add([i + 1], self.name, f"{told(self.cells[i])}{found}")
        return None


@dataclass(frozen=True, slots=True)
class ImageReader:
    """Reads one table's images into `store`; `folder` is the table's own.

    Paths start from `root`, else from there; `drawing` gives what a text stands
    for that is no path.
    """

    root: Path | None
    folder: Path | None
    reading: Reading
    store: ImageStore
    problems: Problems
    report: Callable[[int, int], None]
    drawing: Callable[[str], Drawing | None] = no_drawing

    def column(self, table: pl.DataFrame, name: str, what: str, *, required: bool) -> ImageColumn:
        """What the cells of a column refer to; no file is opened.

        `name` is that of the column, or a pattern of several, from the key
        ``data.<what>``; an empty cell is a problem where it is `required`.
        """
        cells = cells_of(table, name, f"data.{what}")
        column = ImageColumn(name, cells, [None] * len(cells))
        resolve = resolver(self.root, self.folder, self.drawing)
        if required:
            empty = [i + 1 for i, cell in enumerate(cells) if cell is None]
            self.problems.add(empty, name, f"the {what} is empty")
        for i, cell in enumerate(cells):
            try:
                column.references[i] = None if cell is None else resolve(cell)
            except ImageError as error:
                self.problems.add([i + 1], name, f"{told(cell)}{error}")
        return column

    def images(self, column: ImageColumn) -> Stored:
        """The decoded images; equal references are decoded once."""
        asked = [reference for reference in column.references if reference is not None]
        arrays = {
            (each.archive, each.array): ArrayFile(each.archive, each.array, self.store.folder)
            for each in {(r.archive, r.array): r for r in asked if isinstance(r, ArchiveRow)}.values()
        }

        def decode(reference: Reference) -> Pixels:
            if isinstance(reference, Path):
                return read_image(reference, self.reading)
            if isinstance(reference, ArchiveRow):
                return to_pixels(arrays[reference.archive, reference.array].read(reference.row), self.reading)
            if isinstance(reference, InMemory):
                return to_pixels(reference.array(), self.reading)
            return reference.draw()

        decoded = iter(decode_all(asked, decode, self.store, self.report))
        return [
            None if reference is None else column.good(i, next(decoded), self.problems)
            for i, reference in enumerate(column.references)
        ]
