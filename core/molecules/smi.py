"""SMI files into tables: a line a molecule, its SMILES and what it is called."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from medplug.core.data.faults import Wanted, explain_bytes, open_bytes
from medplug.core.data.files import existing

SMILES = "smiles"
TITLE = "title"


def stream_smi(path: Path, rows: int, key: str) -> Iterator[pl.DataFrame]:
    """The lines of an SMI file (plain or gzip) in frames of at most `rows` rows: ``smiles`` and ``title``, both texts.

    A line is a SMILES and, behind a blank or tab, the rest is what the molecule is
    called (null where there is none). Empty lines are no rows, and neither is a
    first line that begins with the word smiles. `key` is how messages call the place where
    the path was given. Raises `DataError` for a file that cannot be read.
    """
    wanted = Wanted(key, str(path))
    file = existing(path, wanted)
    with io.TextIOWrapper(open_bytes(file), encoding="utf-8-sig") as lines:
        records = _records(lines)
        while found := _next(records, rows, file, wanted):
            columns = {SMILES: [smiles for smiles, _ in found], TITLE: [title for _, title in found]}
            yield pl.DataFrame(columns, schema={SMILES: pl.String, TITLE: pl.String})


def _records(lines: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    for number, line in enumerate(lines):
        smiles, title, *_ = [*line.split(maxsplit=1), "", ""]
        if smiles and not (number == 0 and smiles.lower() == SMILES):
            yield smiles, title.strip() or None


def _next(
    records: Iterator[tuple[str, str | None]], rows: int, file: Path, wanted: Wanted
) -> list[tuple[str, str | None]]:
    try:
        return list(islice(records, rows))
    except (UnicodeDecodeError, EOFError, OSError, zlib.error):
        pass  # explained below, without the reader's own words
    raise explain_bytes(file, wanted) or wanted.error("it cannot be read to its end", "copy or export it again")
