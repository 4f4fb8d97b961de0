"""What may be given in place of a table: a folder of images, one image, or an ``.npz`` of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.errors import ConfigError, DataError
from medplug.core.images.archives import SPLIT_COLUMN, archive_table
from medplug.core.images.references import FileIn, is_image_name
from medplug.plugins.imaging.folders import folder_table
from medplug.plugins.imaging.options import ImagingData

_UNLABELLED = ("data.unlabelled", "INPUT")
"""Keys of tables whose rows need no label."""
_SPLIT = ("data.train", "data.validation", "data.test", "DATA")
"""Keys of tables that are one split, or are cut into splits; DATA is what a finished run is evaluated on."""


def table_of(source: Any, data: ImagingData, key: str, *, classes: bool) -> Any:
    """A frame with the columns that `data` names where `source` is a folder, an image or an archive.

    `classes`: labels are wanted where there are any. Everything else is given
    back as it is. Raises `DataError` for a folder or an archive that cannot be
    used as `key` (``data.train``) asks.
    """
    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    if path is not None and path.is_dir():
        label = _label(data, key) if classes else None
        return folder_table(path.resolve(), data.image, label, key, strict=key not in _UNLABELLED)
    if path is None or not path.is_file():
        return source
    if path.suffix.lower() == ".npz":
        frame = archive_table(path.resolve(), data.image, _label(data, key) if classes else None)
        return _one_split(frame, path, data, key)
    if is_image_name(path.name) or _is_dicom(path):
        whole = path.resolve()
        return pl.DataFrame([pl.Series(data.image, [FileIn(whole.parent, whole.name)], dtype=pl.Object)])
    return source


def _label(data: ImagingData, key: str) -> str | None:
    """The column that labels go to; None where none are read."""
    if key == "data.unlabelled" or (key == "INPUT" and not isinstance(data.label, str)):
        return None
    if not isinstance(data.label, str):
        raise ConfigError(f"data.label names several columns, and {key} is no table: it gives one; leave data.label")
    return data.label


def _one_split(frame: pl.DataFrame, path: Path, data: ImagingData, key: str) -> pl.DataFrame:
    """Refuse an archive of several splits where its own would be mixed and cut anew."""
    named = data.split_column is not None and key == "data.train"
    if SPLIT_COLUMN in frame.columns and key in _SPLIT and not named:
        held = ", ".join(frame[SPLIT_COLUMN].unique(maintain_order=True))
        raise DataError(
            f"{key} ({path}): it holds the splits {held}\n"
            + (
                "give the arrays of one of them, as images and labels"
                if key == "DATA"
                else f"give it as data.train, and add data.split_column={SPLIT_COLUMN}"
            )
        )
    return frame


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
