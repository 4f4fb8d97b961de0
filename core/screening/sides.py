"""The two sides of a screening: how a task reads the entities of each from a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from medplug.core.data.faults import Wanted
from medplug.core.data.files import ALLOWED, TABLES, existing
from medplug.core.data.problems import Problems
from medplug.core.data.streaming import stream_table

Batches = Callable[[Path, int, str], Iterator[pl.DataFrame]]
"""Reads a file in frames of at most so many rows; the last argument is how messages call the file's place."""


class Format(NamedTuple):
    """A kind of file that is no table: how it is read, and which columns hold the entities and what they are called."""

    batches: Batches
    column: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """How the entities of one slot are read.

    `column` holds them in a table (the configuration's `key`), and the first of
    `names` that a table has what they are called. `read` turns the column of a
    frame into one value a row, None where it is bad (`Problems` has why). Files
    whose name ends in one of `formats` (``.sdf``, also with ``.gz``) are no tables. It is handed to
    other processes, so all functions in it are those of modules.
    """

    slot: str
    key: str
    column: str
    read: Callable[[pl.DataFrame, str, Problems], list[Any]]
    names: tuple[str, ...] = ("id", "name")
    formats: Mapping[str, Format] = field(default_factory=dict)


class Screened(NamedTuple):
    """What a task screens: the side of many entities, and the side of the few that they are scored against."""

    library: Side
    against: Side


def open_side(side: Side, source: Any, rows: int, place: str) -> tuple[Side, Iterator[pl.DataFrame]]:
    """The entities of a file or table in frames of at most `rows` rows, and the side with the columns these have.

    `place` is how messages call where `source` was given. Raises `DataError` for what cannot
    be read or lacks the column, some of it as the frames are read.
    """
    found = _format(side, source, place)
    if found is None:
        return side, stream_table(source, rows=rows, key=place, columns={side.key: side.column}, optional=side.names)
    kept = Side(side.slot, side.key, found.column, side.read, found.names)
    return kept, found.batches(Path(source), rows, place)


def _format(side: Side, source: Any, place: str) -> Format | None:
    """How a file that is no table is read, None for tables; `DataError` for what is neither."""
    if not isinstance(source, str | Path):
        return None
    wanted = Wanted(place, str(source))
    ending = Path(existing(source, wanted).name.lower().removesuffix(".gz")).suffix
    if ending not in side.formats and ending not in TABLES:
        allowed = f"{', '.join(side.formats)} (these also with .gz); tables: {ALLOWED}"
        raise wanted.error(f"its ending is {ending!r}; allowed: {allowed}", "save it in one of these formats")
    return side.formats.get(ending)
