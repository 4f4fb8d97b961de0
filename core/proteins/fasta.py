"""FASTA files into tables: a row a record, refused where two have one id or one has no sequence."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from medplug.core.data.faults import Wanted, explain_bytes, open_bytes
from medplug.core.data.files import existing

_SHOWN = 20


@dataclass(slots=True)
class _Record:
    """One record: the line of its header (first line = 1), what the header says, and its lines of letters."""

    line: int
    id: str
    description: str | None
    parts: list[str] = field(default_factory=list)


def table_of_fasta(path: str | Path, *, key: str = "data.targets") -> pl.DataFrame:
    """A row a record of a FASTA file (plain or gzip), all texts: ``id``, ``description`` and ``sequence``.

    The id is the header's first word and the description the rest of it, null
    where there is none; lines that begin with ``;`` are comments. The sequence
    is what the file says, its lines joined: `read_sequences` checks it. `key` is
    the configuration's key that the path came from. Raises `DataError`, with
    the numbers of lines, where two records have one id, a record has none or
    has no sequence, letters come before the first header, or the file cannot be read.
    """
    wanted = Wanted(key, str(path))
    file = existing(path, wanted)
    try:
        with io.TextIOWrapper(open_bytes(file), encoding="utf-8-sig") as lines:
            records, stray = _records(lines)
    except (UnicodeDecodeError, EOFError, OSError, zlib.error):
        records, stray = None, None
    if records is None:
        step = "copy or export it again"
        raise explain_bytes(file, wanted) or wanted.error("it cannot be read to its end", step)
    if stray:
        raise wanted.error(f"line {stray} comes before the first header", "begin each record with a line '>ID'")
    if not records:
        raise wanted.error("it has no records", "give each protein a line '>ID' and lines of its sequence")
    _check(records, wanted)
    return pl.DataFrame(
        {
            "id": [record.id for record in records],
            "description": [record.description for record in records],
            "sequence": ["".join(record.parts) for record in records],
        },
        schema=dict.fromkeys(("id", "description", "sequence"), pl.String),
    )


def stream_fasta(path: Path, rows: int, key: str) -> Iterator[pl.DataFrame]:
    """The same in frames of at most `rows` records, once all of the file is read and checked."""
    return table_of_fasta(path, key=key).iter_slices(rows)


def _records(lines: Iterable[str]) -> tuple[list[_Record], int | None]:
    """The records, and the number of a line that belongs to none, if there is one."""
    records: list[_Record] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith(">"):
            name, description, *_ = [*text[1:].split(maxsplit=1), "", ""]
            records.append(_Record(number, name, description or None))
        elif text and not text.startswith(";"):
            if not records:
                return records, number
            records[-1].parts.append(text)
    return records, None


def _check(records: list[_Record], wanted: Wanted) -> None:
    """Raise for all that is wrong with the records, by the lines of their headers."""
    faults = [f"line {record.line}: the header has no id" for record in records if not record.id]
    faults += [f"line {record.line}: the record has no sequence" for record in records if not record.parts]
    first: dict[str, int] = {}
    for record in records:
        line = first.setdefault(record.id, record.line)
        if record.id and line != record.line:
            faults.append(f"line {record.line}: the id is that of line {line}")
    if faults:
        more = [f"... and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        what = "\n  ".join([f"{len(faults)} bad record(s)", *faults[:_SHOWN], *more])
        raise wanted.error(what, "give every record an id of its own and a sequence")
