"""The options of how images are read from a table, for the ``data.*`` of every task that has images."""

from __future__ import annotations

from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, PositiveInt

from medplug.core.config import DataConfig
from medplug.core.fields import Column

if TYPE_CHECKING:
    from medplug.core.images.reading import Reading


def _plain_pattern(named: str) -> str:
    try:
        parts = list(Formatter().parse(named))
    except ValueError:
        parts = [("", "", "", None)]
    if any(
        field is not None and (not field or set(field) & set(".[]") or how or turned) for _, field, how, turned in parts
    ):
        raise ValueError("a pattern holds names of columns in braces and nothing else, as images/{id}.png")
    return named


ImagePaths = Annotated[Column, AfterValidator(_plain_pattern)]
"""The column of images' paths, or a pattern of columns, as ``images/{id}.png``."""


def _wide(window: tuple[float, float]) -> tuple[float, float]:
    if not window[1] > 0:
        raise ValueError("the window's width must be above 0")
    return window


class ImageDataConfig(DataConfig):
    """The ``data.*`` keys of a task that reads image files."""

    root: Path | None = Field(
        default=None, description="the folder that paths in tables start from (default: the table's own)"
    )
    window: Annotated[tuple[float, float], AfterValidator(_wide)] | None = Field(
        default=None,
        description="what becomes black to white, as [centre,width] in the files' units, as Hounsfield "
        "(default: the files' own window, else nearly all of their range)",
    )
    frames: PositiveInt = Field(default=64, description="the most slices kept of a volume, evenly spaced")
    resolution: PositiveInt = Field(
        default=512,
        description="a larger image is scaled down as it is read, until its shorter side has so many pixels",
    )

    @property
    def reading(self) -> Reading:
        """How image files are read."""
        from medplug.core.images.reading import Reading

        return Reading(self.frames, self.resolution, self.window)
