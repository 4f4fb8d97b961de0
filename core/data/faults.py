"""What is wrong with a table, said without quoting it.

Readers' own messages quote cells, so none of them is passed on: when a reader
gives up, the file is walked once more here to name the place.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from medplug.core.data.patterns import meant
from medplug.core.errors import DataError, did_you_mean

GZIP_MAGIC = b"\x1f\x8b"
COLUMNS_SHOWN = 30
NAME_SHOWN = 40
MISSING_SHOWN = 10
_CHUNK = 1 << 20
_FIELD_LIMIT = threading.Lock()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one table: configuration `key`, its `table` name, needed `columns` by key, `optional` names.

    Of the groups of keys in `any_of` the table needs the columns of one at least.
    """

    key: str
    table: str
    columns: Mapping[str, str] | None = None
    optional: tuple[str, ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()

    def error(self, what: str, step: str) -> DataError:
        """A `DataError` of two parts: what is wrong and where, and the next step."""
        return DataError(f"{self.key} ({self.table}): {what}\n{step}")

    def pick(self, names: Sequence[str]) -> list[str]:
        """The names to read, each once, needed ones first; raises for duplicate and missing names.

        A `Pattern` among the needed ones stands for every name that it matches.
        """
        self._refuse_duplicates(names)
        if self.columns is None:
            return list(names)
        known = frozenset(names)
        found = {key: meant(name, names, known) for key, name in self.columns.items()}
        absent = [group for group in self.any_of if not any(found[key] for key in group)]
        if absent and len(absent) == len(self.any_of):
            raise self._nothing(names)
        spared = {key for group in absent for key in group}
        missing = [(key, name) for key, name in self.columns.items() if not found[key] and key not in spared]
        if missing:
            raise self._missing(missing, names)
        needed = [name for each in found.values() for name in each]
        return list(dict.fromkeys([*needed, *(name for name in self.optional if name in known)]))

    def _refuse_duplicates(self, names: Sequence[str]) -> None:
        # spreadsheets leave several nameless columns behind; nobody can ask for those
        twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
        if twice:
            what = f"more than one column is called {_listed([repr(short(name)) for name in twice])}"
            raise self.error(what, "give every column a name of its own")

    def _nothing(self, names: Sequence[str]) -> DataError:
        keys = [group[0].partition("[")[0].partition("{")[0] for group in self.any_of]
        held = f"its {len(names)} column(s): {_listed([short(name) for name in names])}"
        what = f"it has no column of any modality ({', '.join(keys)})\n{held}"
        first = [f"{self.columns[group[0]]!r}" for group in self.any_of] if self.columns else []
        return self.error(what, f"give it the columns of one modality at least; they begin with {', '.join(first)}")

    def _missing(self, missing: Sequence[tuple[str, str]], names: Sequence[str]) -> DataError:
        what = "; ".join(
            f"{key}={name}: there is no column {name!r}{did_you_mean(name, [n for n in names if len(n) <= NAME_SHOWN])}"
            for key, name in missing[:MISSING_SHOWN]
        )
        what += f"; and {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
        held = f"its {len(names)} column(s): {_listed([short(name) for name in names])}"
        if any(len(name) > NAME_SHOWN for name in names):  # a note: do not quote what may be a patient's
            return self.error(f"{what}\nits first line does not look like names of columns", "give it a header line")
        return self.error(f"{what}\n{held}", _separator_hint(names) or self._named_by(missing[0][0]))

    def _named_by(self, key: str) -> str:
        """How a column is named: by its key, one among several (``data.tabular[1]``) by that of all."""
        if self.key in ("INPUT", "DATA", "against"):  # tables for a finished model, whose keys are settled
            return "give its columns the names that the model learned from"
        if self.key == "CORPUS":  # of `medplug index`, which has an option for either column
            return f"name the column with {'--id' if key in ('--id', 'data.passage_id') else '--passage'} COLUMN"
        whole, among, _ = key.replace(" (", "[").partition("[")  # data.also (NAME) is one of several, too
        if among:
            return f'name the columns with {whole}=["COLUMN","COLUMN"]'
        return f"name the column with {key.partition('{')[0]}=COLUMN"


def short(name: str) -> str:
    """A name that fits on a line: a table without a header has a patient's note where a name should be."""
    flat = " ".join(name.split())
    return flat if len(flat) <= NAME_SHOWN else flat[:NAME_SHOWN] + "..."


def _listed(names: Sequence[str]) -> str:
    more = f" ... and {len(names) - COLUMNS_SHOWN} more" if len(names) > COLUMNS_SHOWN else ""
    return ", ".join(names[:COLUMNS_SHOWN]) + more


def _separator_hint(names: Sequence[str]) -> str | None:
    found = [mark for mark in (";", "\t", "|", ",") if len(names) == 1 and mark in names[0]]
    if not found:
        return None
    return f"the columns seem to be separated by {found[0]!r}; save it with commas as .csv or with tabs as .tsv"


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where it is gzip (by its first two bytes, as polars goes by)."""
    file = path.open("rb")
    packed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    if not packed:
        return file
    file.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


@contextmanager
def csv_rows(path: Path, separator: str) -> Iterator[Iterator[list[str]]]:
    """The records of a CSV file as Python's strict reader sees them; a note may be longer than its usual limit."""
    with long_fields(), io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="\n") as text:
        yield csv.reader(text, delimiter=separator, strict=True)


@contextmanager
def long_fields() -> Iterator[None]:
    """Inside, Python's CSV reader takes cells of any length; the limit is one for all threads, which take turns."""
    with _FIELD_LIMIT:
        limit = csv.field_size_limit(sys.maxsize)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def explain_bytes(path: Path, wanted: Wanted) -> DataError | None:
    """The error for a file that cannot be unpacked or is not UTF-8, or None."""
    try:
        place = _first_bad_byte(path)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return wanted.error("the gzip file is corrupt or cut short", "copy it again, or check it with: gzip -t FILE")
    if place is None:
        return None
    offset, line, encoding = place
    unpack = "gzip -dc FILE | " if wanted.table.lower().endswith(".gz") else ""
    return wanted.error(
        f"not UTF-8: the first bad byte is in line {line}, at byte offset {offset}",
        f"convert it, with its own encoding in place of {encoding}: "
        f"{unpack}iconv -f {encoding} -t UTF-8 {'' if unpack else 'FILE '}> NEW",
    )


def _first_bad_byte(path: Path) -> tuple[int, int, str] | None:
    """Offset, line (from 1) and likely encoding of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line, encoding = 0, 1, "GB18030"
    with open_bytes(path) as file:
        while True:
            chunk = file.read(_CHUNK)
            if offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                encoding = "UTF-16"
            held = len(decoder.getstate()[0])  # bytes of a character that the last chunk cut
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                within = max(error.start - held, 0)
                return offset - held + error.start, line + chunk.count(b"\n", 0, within), encoding
            if not chunk:
                return None
            offset, line = offset + len(chunk), line + chunk.count(b"\n")


def explain_csv(path: Path, separator: str, wanted: Wanted) -> DataError:
    """The error for a CSV file that the reader gave up on."""
    return (
        explain_bytes(path, wanted)
        or ragged(path, separator, wanted)
        or wanted.error(
            f"broken quoting{_misquoted(path, separator)}: a quote mark is not closed or doubled, "
            "or a line ends in a bare carriage return",
            'quote cells that hold a quote mark and double the mark in them: "a 5"" scar"',
        )
    )


def ragged(path: Path, separator: str, wanted: Wanted) -> DataError | None:
    """The error for the first row with too many or too few cells, or None. A blank line is no such row."""
    row, cells, width = _first_bad_row(path, separator)
    if cells is None:
        return None
    return wanted.error(
        f"row {row} has {cells} cells where the header has {width} (the first data row is row 1)",
        "quote cells that hold the separator or a line break, and give every row all its cells",
    )


def _misquoted(path: Path, separator: str) -> str:
    row, cells, _ = _first_bad_row(path, separator)
    return f" in row {row} (the first data row is row 1)" if row and cells is None else ""


def _first_bad_row(path: Path, separator: str) -> tuple[int, int | None, int]:
    """Its number (0: there is none), its cells (None: it cannot be split into cells) and those of the header."""
    row, width = 0, 0
    with csv_rows(path, separator) as records:
        try:
            width = len(next(filter(None, records), []))
            for row, record in enumerate(records, start=1):
                if len(record) not in (0, width):
                    return row, len(record), width
        except csv.Error:
            return row + 1, None, width
    return 0, None, width


def explain_json(path: Path, wanted: Wanted) -> DataError:
    """The error for a JSON Lines file that the reader gave up on: the first bad line."""
    undecodable = explain_bytes(path, wanted)
    if undecodable:
        return undecodable
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            fault = _line_fault(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
            if fault:
                return wanted.error(f"line {number} {fault}", "write one JSON object a line, each with the same keys")
    return wanted.error("its lines do not fit one table", "give each key the same type of value on every line")


def _line_fault(line: bytes) -> str | None:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    if not line.strip():
        return None
    try:
        value = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError):
        return "is not valid JSON"
    return None if isinstance(value, dict) else "is JSON but not an object"
