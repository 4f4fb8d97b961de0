"""What a cell of an image column refers to, and how it becomes pixels."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Protocol, TypeAlias

import numpy as np
import polars as pl

from medplug.core.data import cells
from medplug.core.data.paths import file_inside, start_of
from medplug.core.images.formats import ImageError
from medplug.core.images.store import Pixels

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm"),
    *(".dcm", ".dicom", ".ima", ".nii", ".nii.gz"),
)
"""Names that image files go by; what a file is, is told by its content."""


@dataclass(frozen=True, slots=True, repr=False)
class FileIn:
    """A file, by its path within a folder that the user named."""

    folder: Path
    name: str

    def __repr__(self) -> str:  # the table's fingerprint is made of it: the same wherever the folder lies
        return self.name


@dataclass(frozen=True, slots=True, repr=False)
class ArchiveRow:
    """One image of an array in an ``.npz`` archive."""

    archive: Path
    array: str
    row: int

    def __repr__(self) -> str:
        return f"{self.array}[{self.row}]"


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """An array or a Pillow image; equal to itself alone."""

    value: Any

    def array(self) -> np.ndarray[Any, Any]:
        """Its numbers, ``[height, width]`` or with more axes; `ImageError` where it is no image."""
        value = self.value
        if type(value).__module__.startswith("PIL.") and value.mode not in ("1", "L", "RGB", "RGBA", "I", "I;16", "F"):
            value = value.convert("RGBA" if "A" in value.mode or "transparency" in value.info else "RGB")
        if not hasattr(value, "__array__") and not hasattr(value, "__array_interface__"):
            raise ImageError(f"the cell holds a {type(value).__name__}; a path, an array or a Pillow image is needed")
        return np.asarray(value)


class Drawing(Hashable, Protocol):
    """An image that a task makes itself: a picture of its built-in sample."""

    def draw(self) -> Pixels:
        """Its pixels; `ImageError` where there is no such picture."""


Reference: TypeAlias = Path | ArchiveRow | InMemory | Drawing
"""What is decoded: a file (its path resolved), or something that needs no file."""
Cell: TypeAlias = str | FileIn | ArchiveRow | InMemory


def columns_named(named: str) -> tuple[str, ...]:
    """The columns that ``data.image`` names: itself, or those in the braces of a pattern (``images/{id}.png``)."""
    found = tuple(dict.fromkeys(field for _, field, _, _ in Formatter().parse(named) if field))
    return found or (named,)


def needed_columns(key: str, named: str) -> dict[str, str]:
    """The columns of a key: the key -> the column, or of a pattern ``data.image{id}`` -> each column in its braces."""
    names = columns_named(named)
    return {key: named} if names == (named,) else {f"{key}{{{name}}}": name for name in names}


def cells_of(table: pl.DataFrame, named: str, key: str) -> list[Cell | None]:
    """The cells of a column of images, or what a pattern makes of several; None where one is empty."""
    columns = columns_named(named)
    held = next((table[column] for column in columns if table[column].dtype == pl.Object), None)
    if held is not None:
        return [_cell(value) for value in held.to_list()]
    if columns == (named,):
        return list(cells.texts(table[named], key))
    rows = zip(*(cells.texts(table[column], key) for column in columns), strict=True)
    return [None if None in row else named.format_map(dict(zip(columns, row, strict=True))) for row in rows]


def _cell(value: Any) -> Cell | None:
    if isinstance(value, str | Path):
        return str(value).strip() or None
    return value if value is None or isinstance(value, FileIn | ArchiveRow) else InMemory(value)


def name_of(cell: Cell | None) -> str:
    """What a row is called by its image: a path as it was given, a place in an archive."""
    return "" if cell is None or isinstance(cell, InMemory) else str(cell)


def told(cell: Cell | None) -> str:
    """How messages begin that tell of a cell. Never with a file's name, which may be a patient's."""
    if isinstance(cell, FileIn):
        return "(rows are the files in the order of their paths) "
    if isinstance(cell, InMemory):
        return "the array: "
    return f"{cell}: " if isinstance(cell, ArchiveRow) else ""


def is_image_name(name: str) -> bool:
    """Whether a path ends as those of images do."""
    return name.lower().endswith(ENDINGS)


def no_drawing(cell: str) -> Drawing | None:
    """What cells stand for in a task that draws nothing."""
    return None


def resolver(
    root: Path | None, folder: Path | None, drawing: Callable[[str], Drawing | None] = no_drawing
) -> Callable[[Cell], Reference]:
    """What makes references of cells; `drawing` gives what a text stands for where that is no path.

    Paths start from `root` (``data.root``), else from `folder`, the table's own,
    else from the current one, and may not lead out of there, by links neither:
    then, and where there is no such file, `ImageError` is raised.
    """
    start = start_of(root, folder)

    def resolve(cell: Cell) -> Reference:
        if isinstance(cell, FileIn):
            return _inside((root or cell.folder).expanduser().resolve(), cell.folder / cell.name, root)
        if not isinstance(cell, str):
            return cell
        return drawing(cell) or _inside(start, start / cell.replace("\\", "/"), root)

    return resolve


def _inside(start: Path, path: Path, root: Path | None) -> Path:
    likely = is_image_name(path.name)
    return file_inside(start, path, ImageError, rooted=root is not None, likely=likely, what="images'")
