"""A table's images and masks: the core's reader of images, and what masks need beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from medplug.core.images.store import ImageStore
from medplug.core.images.table import ImageColumn, ImageReader, Stored
from medplug.plugins.imaging.lesions import Pair, read_masks
from medplug.plugins.imaging.sample import drawn

if TYPE_CHECKING:
    from medplug.core.data.problems import Problems
    from medplug.plugins.imaging.options import ImagingData


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads one table's images into `store`; `folder` is the table's own."""

    data: ImagingData
    folder: Path | None
    store: ImageStore
    problems: Problems
    report: Callable[[int, int], None]

    def column(self, table: pl.DataFrame, what: str) -> ImageColumn:
        """What the cells of ``data.<what>`` refer to; no file is opened."""
        return self._reader(what).column(table, getattr(self.data, what), what, required=True)

    def images(self, column: ImageColumn, *, plain: bool) -> Stored:
        """The decoded images; equal references are decoded once. Where they must be `plain`, a volume is a problem."""
        found = self._reader("image").images(column)
        if plain:
            volumes = [i + 1 for i, image in enumerate(found) if image is not None and image.frames > 1]
            self.problems.add(volumes, column.name, "it is a volume, and masks are for plain pictures; give its slices")
        return found

    def masks(
        self, column: ImageColumn, images: ImageColumn, stored: Stored, classes: tuple[str, ...]
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
            masks.append(None if mask is None else column.good(i, mask, self.problems))
            labels.append(names)
        return masks, labels

    def _reader(self, what: str) -> ImageReader:
        data, drawing = self.data, partial(drawn, mask=what == "mask")
        return ImageReader(data.root, self.folder, data.reading, self.store, self.problems, self.report, drawing)
