"""SDF files into tables: a row a record, broken ones among them, so that each can be told by its number."""

from __future__ import annotations

import io
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from medplug.core.data.faults import Wanted, explain_bytes, open_bytes
from medplug.core.data.files import existing
from medplug.core.errors import DataError
from medplug.core.molecules.reading import quiet, rdkit

SMILES = "smiles"
TITLE = "title"
_END, _BETWEEN = "M  END", "$$$$"
_FIELD = re.compile(r">.*?<(.+?)>")


@dataclass(frozen=True, slots=True)
class _Record:
    smiles: str
    title: str | None
    fields: dict[str, str | None]
    ended: bool


def table_of_sdf(path: str | Path, *, key: str = "data.drugs") -> pl.DataFrame:
    """A row a record of an SDF file (V2000, V3000; plain or gzip): ``smiles``, ``title`` and data fields, all texts.

    Row 1 is the first record. In place of the SMILES of a broken record stands
    a mark that `read_molecules` turns into a bad row with its reason. Of the
    columns ``title`` is the record's first line, if no field is called so, and
    ``smiles`` always is what the structure says; a field of that name is left out.
    `key` is the configuration's key that the path came from. Raises `DataError`
    for a file that cannot be read or is no SDF file, and `ConfigError` where
    rdkit is not installed.
    """
    records = [record for batch in _batches(Path(path), sys.maxsize, key) for record in batch]
    return _frame(records)


def stream_sdf(path: Path, rows: int, key: str) -> Iterator[pl.DataFrame]:
    """The same in frames of at most `rows` records; each has the data fields of its own records."""
    return map(_frame, _batches(path, rows, key))


def _batches(path: Path, rows: int, key: str) -> Iterator[list[_Record]]:
    rdkit()
    wanted = Wanted(key, str(path))
    file = existing(path, wanted)
    with io.TextIOWrapper(open_bytes(file), encoding="utf-8-sig") as lines:
        found, first = _records(lines), True
        while batch := _next(found, rows, file, wanted):
            if first and not any(record.ended for record in batch):
                raise _no_sdf(wanted)
            first = False
            yield batch
    if first:
        raise _no_sdf(wanted)


def _next(records: Iterator[list[str]], rows: int, file: Path, wanted: Wanted) -> list[_Record]:
    try:
        with quiet():
            return [_record(record) for record in islice(records, rows)]
    except (UnicodeDecodeError, EOFError, OSError, zlib.error):
        pass  # explained below, without the reader's own words
    raise explain_bytes(file, wanted) or wanted.error("it cannot be read to its end", "copy or export it again")


def _no_sdf(wanted: Wanted) -> DataError:
    return wanted.error(f"it is no SDF file: no line of it is {_END!r}", "export the molecules as SDF, or as a table")


def _frame(records: list[_Record]) -> pl.DataFrame:
    names = dict.fromkeys(name for record in records for name in record.fields)
    columns: dict[str, list[str | None]] = {SMILES: [record.smiles for record in records]}
    if any(record.title for record in records):
        columns[TITLE] = [record.title for record in records]
    columns |= {name: [record.fields.get(name) for record in records] for name in names if name != SMILES}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _records(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each record; the last one need not be closed, as in a file of one molecule."""
    record: list[str] = []
    for line in lines:
        if line.startswith(_BETWEEN):
            yield record
            record = []
        else:
            record.append(line.rstrip("\r\n"))
    if any(line.strip() for line in record):
        yield record


def _record(lines: list[str]) -> _Record:
    end = next((i for i, line in enumerate(lines) if line.rstrip() == _END), None)
    title = lines[0].strip() or None if lines else None
    if end is None:
        fields = _fields(lines)
        return _Record("broken record: cut off", title, fields, ended=False)
    return _Record(_smiles("\n".join(lines[: end + 1])), title, _fields(lines[end + 1 :]), ended=True)


def _smiles(block: str) -> str:
    """The SMILES of a structure, or the mark of why there is none."""
    chem = rdkit()
    try:
        molecule = chem.MolFromMolBlock(block)
        if molecule is None:
            readable = chem.MolFromMolBlock(block, sanitize=False) is not None
            return "broken record: impossible" if readable else "broken record: malformed"
        return str(chem.MolToSmiles(molecule)) or "broken record: no atoms"
    except Exception:  # what RDKit says may quote the record
        return "broken record: malformed"


def _fields(lines: list[str]) -> dict[str, str | None]:
    """The data fields after a structure: a line with the name, then the value's lines up to a blank one."""
    fields: dict[str, list[str]] = {}
    value: list[str] | None = None
    for line in lines:
        name = _FIELD.match(line) if value is None else None
        if name:
            value = fields[name[1].strip()] = []
        elif not line.strip():
            value = None
        elif value is not None:
            value.append(line.strip())
    return {name: "\n".join(value) or None for name, value in fields.items() if name}
