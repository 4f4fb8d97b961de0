"""Files in: CSV, TSV, JSON Lines and Parquet, read with little memory, refused with a reason."""

from __future__ import annotations

import codecs
import csv
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from medplug.core.data.faults import (
    Wanted,
    csv_rows,
    explain_csv,
    explain_json,
    open_bytes,
    ragged,
)
from medplug.core.errors import did_you_mean

T = TypeVar("T")
ALLOWED = ".csv, .tsv, .jsonl, .ndjson (these also with .gz) and .parquet"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_OTHER_WAYS = {
    ".xlsx": "save the sheet as 'CSV UTF-8'",
    ".xls": "save the sheet as 'CSV UTF-8'",
    ".json": "write one JSON object a line and call it .jsonl",
    ".txt": "call it .csv (commas) or .tsv (tabs)",
    ".zip": "unpack it",
}


def read_file(source: str | Path, wanted: Wanted) -> pl.DataFrame:
    """Read the wanted columns of a file; raises `DataError` for whatever is wrong with it."""
    path = existing(source, wanted)
    reader = _READERS[table_format(path, wanted)]
    if path.stat().st_size == 0:
        raise wanted.error("the file is empty (0 bytes)", "give a table with a header and rows")
    return reader(path, wanted)


def existing(source: str | Path, wanted: Wanted) -> Path:
    """The path of a file that is there and may be read; raises `DataError` otherwise."""
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            raise _folder(path, wanted)
        if not path.exists():
            raise _absent(path, wanted)
        path.open("rb").close()
    except PermissionError:
        step = f"allow it, for instance with: chmod u+r {path.name}"
        raise wanted.error("it may not be read (permission denied)", step) from None
    except OSError as error:
        raise wanted.error(f"it cannot be opened: {error.strerror}", "give the path of a file") from None
    return path


def _folder(path: Path, wanted: Wanted) -> Exception:
    tables = sorted(entry.name for entry in path.iterdir() if _format(entry))
    step = f"give one of its tables: {', '.join(tables[:5])}" if tables else f"give a file: {ALLOWED}"
    return wanted.error("this is a folder, not a file", step)


def _absent(path: Path, wanted: Wanted) -> Exception:
    folder = path.absolute().parent
    if not folder.is_dir():
        return wanted.error(f"there is no such file, and no folder {folder}", "check the path")
    guess = did_you_mean(path.name, [entry.name for entry in folder.iterdir()])
    return wanted.error(f"there is no such file in {folder}{guess}", f"set {wanted.key} to a file: {ALLOWED}")


def _format(path: Path) -> str | None:
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    ending = Path(plain).suffix
    return ending if ending in _READERS and (plain == name or ending != ".parquet") else None


def table_format(path: Path, wanted: Wanted) -> str:
    """The ending that says how a table is written (``.csv``, without ``.gz``); `DataError` for any other."""
    ending = _format(path)
    if ending:
        return ending
    got = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    what = f"its ending is {got!r}; allowed: {ALLOWED}"
    raise wanted.error(what, _OTHER_WAYS.get(path.suffix.lower(), "save it in one of these formats"))


def _read_csv(path: Path, wanted: Wanted) -> pl.DataFrame:
    return _read_separated(path, wanted, ",")


def _read_tsv(path: Path, wanted: Wanted) -> pl.DataFrame:
    return _read_separated(path, wanted, "\t")


def _read_separated(path: Path, wanted: Wanted, separator: str) -> pl.DataFrame:
    names = _header(path, wanted, separator)
    chosen = wanted.pick(names)
    frame = _collected(lambda: _scan_csv(path, separator, _places(chosen, names), len(names)))
    if frame is None:
        raise explain_csv(path, separator, wanted)
    *_, blank, lacking = frame.iter_columns()
    # the reader fills short rows with nulls; only a row without its last cell can be one
    fault = ragged(path, separator, wanted) if (lacking & ~blank).any() else None
    if fault:
        raise fault
    frame = frame.head(frame.height - _trailing(blank)).select(pl.nth(range(len(chosen))))
    frame.columns = chosen
    return frame


def _scan_csv(path: Path, separator: str, positions: Sequence[int], width: int) -> pl.LazyFrame:
    """The chosen columns, then whether every cell of the row is empty, then whether the last one is."""
    table = pl.scan_csv(path, separator=separator, infer_schema=False, null_values="", glob=False)
    if len(table.collect_schema()) != width:
        raise ValueError("Python's reader and polars see different headers")
    cells = [pl.nth(position).alias(str(place)) for place, position in enumerate(positions)]
    # looking at every column also makes polars notice rows with too many cells
    blank = pl.all_horizontal(pl.all().is_null()).alias("blank")
    return table.select(*cells, blank, pl.nth(width - 1).is_null().alias("lacking"))


def _header(path: Path, wanted: Wanted, separator: str) -> list[str]:
    try:
        with csv_rows(path, separator) as records:
            names = next(filter(None, records), None)
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error):
        names, unreadable = None, True
    else:
        unreadable = False
    if unreadable:
        raise explain_csv(path, separator, wanted)
    if not names:
        raise wanted.error("there is no header: every line is empty", "give a table with a header and rows")
    return names


def _trailing(blank: pl.Series) -> int:
    """How many rows at the end are blank."""
    filled = (~blank).arg_true()
    return len(blank) - (int(filled[-1]) + 1 if len(filled) else 0)


def _read_jsonl(path: Path, wanted: Wanted) -> pl.DataFrame:
    # an open file, because scan_ndjson takes [ and * in a path for a pattern
    with path.open("rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        # every line is looked at, for a key or a type may first show in the last one
        scanned = _tried(lambda: pl.scan_ndjson(file, infer_schema_length=None))
        frame = None if scanned is None else _project(scanned, wanted)
    if frame is None:
        raise explain_json(path, wanted) if _has_text(path) else wanted.error("it has no lines", "give a table")
    return frame


def _has_text(path: Path) -> bool:
    try:
        with open_bytes(path) as file:
            return any(line.strip() for line in file)
    except (OSError, EOFError, zlib.error):
        return True  # explained as a corrupt file


def _read_parquet(path: Path, wanted: Wanted) -> pl.DataFrame:
    scanned = _tried(lambda: pl.scan_parquet(path, glob=False, hive_partitioning=False))
    frame = None if scanned is None else _project(scanned, wanted)
    if frame is None:
        raise wanted.error("not a Parquet file, or a corrupt one", "write or copy it again")
    return frame


def _project(table: pl.LazyFrame, wanted: Wanted) -> pl.DataFrame | None:
    schema = _tried(table.collect_schema)
    if schema is None:
        return None
    names = schema.names()
    positions = _places(wanted.pick(names), names)
    return _collected(lambda: table.select(pl.nth(positions)))  # by place: pl.col takes ^...$ for a pattern


def _places(chosen: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where the chosen names stand among all, of nameless ones the first; a table of genes has many."""
    place = {name: i for i, name in reversed(list(enumerate(names)))}
    return [place[name] for name in chosen]


def _collected(scan: Callable[[], pl.LazyFrame]) -> pl.DataFrame | None:
    return _tried(lambda: scan().collect(engine="streaming"))


def _tried(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return None  # polars' message is dropped: it quotes cells


_READERS: dict[str, Callable[[Path, Wanted], pl.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
