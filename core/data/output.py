"""Files that a command is asked for, tables above all: checked before any work, moved into place when whole."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.errors import RunError, UsageError

TABLES = (".csv", ".jsonl", ".parquet")


def check_output(file: Path | None, endings: Sequence[str] = TABLES) -> None:
    """Refuse a place that cannot be written, before any work is done for it."""
    if file is None:
        return
    if file.suffix not in endings:
        raise UsageError(f"output {file}: write to one of {', '.join(endings)}")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"output {file}: there is no folder {file.absolute().parent}; make it first")


def write_table(frame: pl.DataFrame, file: Path | None) -> None:
    """Write by the file's ending; with None, CSV to standard output. Lists become ``a;b`` in CSV."""
    if file is None:
        sys.stdout.write(_flat(frame).write_csv())
        return
    check_output(file)
    write_by_ending(
        file, {".csv": _flat(frame).write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}
    )


def write_by_ending(file: Path, writers: Mapping[str, Callable[[Path], object]]) -> None:
    """Write with the writer of the file's ending, and move the file into place; `RunError` where it cannot be."""
    unfinished = file.with_name(f".{file.name}.partial")
    try:
        writers[file.suffix](unfinished)
        os.replace(unfinished, file)
    except OSError as error:
        raise RunError(f"output {file}: cannot be written: {error.strerror or error}") from None


def check_folder(folder: Path | None) -> None:
    """Refuse a place where no folder can be made, before any work is done for it."""
    if folder is None:
        return
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise UsageError(f"{folder}: cannot be made a folder: {place} is a file")
    if not os.access(place, os.W_OK):
        raise UsageError(f"{folder}: cannot be made a folder: {place} may not be written to")


def write_mask(mask: NDArray[np.uint8], file: Path) -> None:
    """Write class numbers ``[height, width]`` as a grey PNG, in a folder that is made where there is none."""
    from PIL import Image

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(file)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror or error}") from None


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists of texts joined, and lists of records as JSON."""
    records = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List) and kind.inner == pl.Struct]
    told = [pl.Series(name, [json.dumps(each) for each in frame[name].to_list()], dtype=pl.String) for name in records]
    return frame.with_columns(pl.col(pl.List(pl.String)).list.join(";"), *told)
