"""From the cells of a table to decoded images and masks, and the problems of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from medplug.core.images.decoding import decode_all
from medplug.core.images.formats import ImageError, Reading, read_image, to_pixels
from medplug.core.images.store import ImageStore, Pixels, StoredImage
from medplug.plugins.imaging.archives import ArrayFile
from medplug.plugins.imaging.lesions import Pair, read_masks
from medplug.plugins.imaging.references import ArchiveRow, Cell, Drawn, Reference, cells_of, name_of, resolver, told
from medplug.plugins.imaging.sample import draw

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.plugins.imaging.options import ImagingData

Stored = list[StoredImage | None]
"""An image a row, None where the row is among the problems."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of images or masks: its name, its cells, and what they refer to (None: a problem)."""

    name: str
    cells: list[Cell | None]
    references: list[Reference | None]

    @property
    def names(self) -> list[str] | None:
        """What each row is called by its image, None where all are arrays in memory."""
        found = [name_of(cell) for cell in self.cells]
        return found if any(found) else None


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads one table's images into `store`; `folder` is the table's own."""

    data: ImagingData
    folder: Path | None
    store: ImageStore
    problems: Problems
    report: Callable[[int, int], None]

    def column(self, table: pl.DataFrame, what: str) -> Column:
        """What the cells of ``data.<what>`` refer to; no file is opened."""
        name: str = getattr(self.data, what)
        cells = cells_of(table, name, f"data.{what}")
        column = Column(name, cells, [None] * len(cells))
        resolve = resolver(self.data.root, self.folder)
        for i, cell in enumerate(cells):
            if cell is None:
                self.problems.add([i + 1], name, f"the {what} is empty")
                continue
            try:
                column.references[i] = resolve(cell)
            except ImageError as error:
                self.problems.add([i + 1], name, f"{told(cell)}: {error}")
        return column

    def images(self, column: Column, *, plain: bool) -> Stored:
        """The decoded images; equal references are decoded once. Where they must be `plain`, a volume is a problem."""
        asked = [reference for reference in column.references if reference is not None]
        arrays = {
            (each.archive, each.array): ArrayFile(each.archive, each.array, self.store.folder)
            for each in {(r.archive, r.array): r for r in asked if isinstance(r, ArchiveRow)}.values()
        }
        reading = Reading(self.data.frames, self.data.resolution, self.data.window)

        def decode(reference: Reference) -> Pixels:
            if isinstance(reference, Path):
                return read_image(reference, reading)
            if isinstance(reference, Drawn):
                return draw(reference.number)
            if isinstance(reference, ArchiveRow):
                return to_pixels(arrays[reference.archive, reference.array].read(reference.row), reading)
            return to_pixels(reference.array(), reading)

        decoded = iter(decode_all(asked, decode, self.store, self.report))
        found = [
            None if reference is None else self._good(column, i, next(decoded))
            for i, reference in enumerate(column.references)
        ]
        if plain:
            volumes = [i + 1 for i, image in enumerate(found) if image is not None and image.frames > 1]
            self.problems.add(volumes, column.name, "it is a volume, and masks are for plain pictures; give its slices")
        return found

    def masks(
        self, column: Column, images: Column, stored: Stored, classes: tuple[str, ...]
    ) -> tuple[Stored, list[tuple[str, ...]]]:
        """The images' masks, and the classes in each; those of bad images are not read."""
        pairs = [
            None if mask is None or image is None or kept is None else Pair(mask, image, kept.shape)
            for mask, image, kept in zip(column.references, images.references, stored, strict=True)
        ]
        masks: Stored = []
        labels: list[tuple[str, ...]] = []
        for i, found in enumerate(read_masks(pairs, classes, self.data.resolution, self.store, self.report)):
            mask, names = found if isinstance(found, tuple) else (found, ())
            masks.append(None if mask is None else self._good(column, i, mask))
            labels.append(names)
        return masks, labels

    def _good(self, column: Column, i: int, found: StoredImage | ImageError) -> StoredImage | None:
        if isinstance(found, StoredImage):
            return found
        cell = column.cells[i]
        self.problems.add([i + 1], column.name, f"{name_of(cell) or 'the array'}: {found}")
        return None
