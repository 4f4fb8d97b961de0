"""Tables in pieces: the columns that are needed of a file that need not fit into memory."""

from __future__ import annotations

import codecs
import csv
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.data.faults import Wanted, explain_csv, explain_json, long_fields, open_bytes
from medplug.core.data.files import existing, table_format
from medplug.core.data.tables import Tabular, read_table, table_name

_AT_ONCE = 65_536
"""Rows of Parquet read at once: a row group is unpacked anew for every slice of it."""
_UNREADABLE = (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error)


def stream_table(
    source: Tabular, *, rows: int, key: str, columns: Mapping[str, str], optional: Iterable[str] = ()
) -> Iterator[pl.DataFrame]:
    """The needed columns of a table, and the `optional` ones that it has, in frames of at most `rows` rows.

    Arguments and errors are those of `read_table`, but a table with a header and no
    rows gives no frame. Of a file no more is held than what is given next; of JSON
    Lines the first frame's lines tell the columns, and numbers become text.
    """
    wanted = Wanted(key, table_name(source), columns, tuple(optional))
    if not isinstance(source, str | Path):
        yield from read_table(source, key=key, columns=columns, optional=optional).iter_slices(rows)
        return
    path = existing(source, wanted)
    ending = table_format(path, wanted)
    if path.stat().st_size == 0:
        raise wanted.error("the file is empty (0 bytes)", "give a table with a header and rows")
    yield from _READERS[ending](path, wanted, rows)


def _csv(path: Path, wanted: Wanted, rows: int) -> Iterator[pl.DataFrame]:
    return _separated(path, wanted, rows, ",")


def _tsv(path: Path, wanted: Wanted, rows: int) -> Iterator[pl.DataFrame]:
    return _separated(path, wanted, rows, "\t")


def _separated(path: Path, wanted: Wanted, rows: int, separator: str) -> Iterator[pl.DataFrame]:
    """Frames of text; blank lines count as rows, but for those at the very end."""
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="\n") as text:
        records = csv.reader(text, delimiter=separator, strict=True)
        names = next(filter(None, _some(records, path, separator, wanted, 1, until_filled=True)), None)
        if not names:
            raise wanted.error("there is no header: every line is empty", "give a table with a header and rows")
        chosen = wanted.pick(names)
        at = [names.index(name) for name in chosen]
        blank = 0
        while found := _some(records, path, separator, wanted, rows):
            if any(len(record) not in (0, len(names)) for record in found):
                raise explain_csv(path, separator, wanted)
            filled = max((i + 1 for i, record in enumerate(found) if any(record)), default=0)
            if filled:
                before: list[list[str]] = [[]] * blank
                yield from _texts(chosen, at, before + found[:filled]).iter_slices(rows)
                blank = 0
            blank += len(found) - filled


def _some(
    records: Iterator[list[str]], path: Path, separator: str, wanted: Wanted, rows: int, *, until_filled: bool = False
) -> list[list[str]]:
    """The next records; `DataError` says where the file cannot be read."""
    try:
        with long_fields():
            found = list(islice(records, rows))
            while until_filled and found and not found[-1]:
                found = list(islice(records, rows))
            return found
    except _UNREADABLE:
        pass  # explained below, so that no error chain carries a message that quotes cells
    raise explain_csv(path, separator, wanted)


def _texts(names: Sequence[str], at: Sequence[int], records: Sequence[list[str]]) -> pl.DataFrame:
    columns = {
        name: [(record[place] or None) if record else None for record in records]
        for name, place in zip(names, at, strict=True)
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def _jsonl(path: Path, wanted: Wanted, rows: int) -> Iterator[pl.DataFrame]:
    chosen: list[str] | None = None
    with open_bytes(path) as file:
        while (found := _objects(file, path, wanted, rows, first=chosen is None)) is not None:
            if chosen is None:
                chosen = wanted.pick(list(dict.fromkeys(name for each in found for name in each)))
            columns = {name: [_cell(each.get(name), name, wanted) for each in found] for name in chosen}
            yield pl.DataFrame(columns, schema=dict.fromkeys(chosen, pl.String))
    if chosen is None:
        raise wanted.error("it has no lines", "give a table")


def _objects(file: Any, path: Path, wanted: Wanted, rows: int, *, first: bool) -> list[dict[str, Any]] | None:
    """The objects of the next lines that are not blank, None at the end."""
    try:
        lines = list(islice(filter(bytes.strip, file), rows))
        if first and lines:
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
        found = [json.loads(line) for line in lines]
        if all(isinstance(each, dict) for each in found):
            return found or None
    except (ValueError, RecursionError, *_UNREADABLE):
        pass
    raise explain_json(path, wanted)


def _cell(value: Any, name: str, wanted: Wanted) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise wanted.error(f"column {name!r} holds lists or objects", "give each line a text or a number there")
    return json.dumps(value)


def _parquet(path: Path, wanted: Wanted, rows: int) -> Iterator[pl.DataFrame]:
    try:
        scanned = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        names = scanned.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError, ValueError):
        names = None
    if names is None:
        raise wanted.error("not a Parquet file, or a corrupt one", "write or copy it again")
    at = [names.index(name) for name in wanted.pick(names)]  # by place: pl.col takes ^...$ for a pattern
    table, start = scanned.select(pl.nth(at)), 0
    while (frame := _slice(table, start, wanted)).height:
        yield from frame.iter_slices(rows)
        start += frame.height


def _slice(table: pl.LazyFrame, start: int, wanted: Wanted) -> pl.DataFrame:
    try:
        return table.slice(start, _AT_ONCE).collect()
    except (pl.exceptions.PolarsError, OSError, ValueError):
        pass
    raise wanted.error("not a Parquet file, or a corrupt one", "write or copy it again")


_READERS: dict[str, Callable[[Path, Wanted, int], Iterator[pl.DataFrame]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
