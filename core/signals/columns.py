"""Recordings as tables: CSV, TSV, plain text and ARFF, a column a channel and a row a sample."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.signals.reading import MAX_BYTES, Raw, SignalError

NOT_CHANNELS = frozenset(("", "time", "timestamp", "seconds", "sample", "index"))
"""Names, in small letters, of columns that count or time the samples."""
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)|", re.IGNORECASE)
_COMMENT = "#"


@dataclass(slots=True)
class Columns:
    """The columns of a recording: `numbers` float64 ``[samples]`` by name, and `texts`, None where a cell is empty.

    `order` holds the names of both as they stand in the file.
    """

    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    texts: dict[str, list[str | None]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def channels(self, *, without: str | None = None) -> NDArray[np.float64]:
        """The channels ``[channels, samples]``: all numbers but times, and but the column `without`."""
        names = [name for name in self.numbers if name.strip().lower() not in NOT_CHANNELS and name != without]
        if not names:
            raise SignalError("it has no column of numbers; a recording has a column a channel and a row a sample")
        return np.stack([self.numbers[name] for name in names])


def read_text(path: Path) -> Raw:
    """A recording from CSV, TSV or plain text."""
    return Raw(text_columns(path).channels())


def read_arff(path: Path) -> Raw:
    """A recording from ARFF, whose numeric attributes are channels."""
    return Raw(arff_columns(path).channels())


def text_columns(path: Path) -> Columns:
    """The columns of a text file, by the names in its first line, or ``1``, ``2`` ... where that holds numbers.

    Columns are parted by commas, semicolons (a number may then have a decimal
    comma), tabs or blanks; lines that begin with ``#`` are passed over. A column
    without any number is text. Raises `SignalError` where a file cannot be read
    so, with the place of a cell that is no number among numbers.
    """
    content = _content(path)
    first = next((line for line in content.splitlines() if line.strip() and not line.startswith(_COMMENT)), "")
    if not first:
        raise SignalError("it holds no lines of numbers; export it again")
    separator = next((each for each in ",;\t" if each in first.strip()), None)
    if ";" in first:
        separator = ";"
    if separator is None:  # blanks, as many as there are
        content, separator = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", content), "\t"
        content = re.sub(r"[ \t]+", "\t", content)
        first = re.sub(r"\s+", "\t", first.strip())
    fields = [cell.strip().strip('"') for cell in first.split(separator)]
    named = not all(_NUMBER.fullmatch(cell) for cell in fields)
    return _split(_parsed(content, separator, named), decimal_comma=separator == ";")


def arff_columns(path: Path) -> Columns:
    """The attributes of an ARFF file: numeric ones as numbers, NaN where ``?``, and nominal ones as texts."""
    from io import StringIO

    from scipy.io import arff  # slow to import

    try:
        data, meta = arff.loadarff(StringIO(_content(path)))
        kinds: dict[str, str] = dict(zip(meta.names(), meta.types(), strict=True))
    except SignalError:
        raise
    except NotImplementedError:
        raise SignalError("its ARFF has attributes of text or other tables; keep numeric and nominal ones") from None
    except Exception:  # what the reader says quotes the line that it stumbled over
        raise SignalError("the ARFF is cut off, damaged or sparse; write it again in its dense form") from None
    found = Columns(order=[name for name, kind in kinds.items() if kind in ("numeric", "nominal")])
    for name, kind in kinds.items():
        if kind == "numeric":
            found.numbers[name] = np.asarray(data[name], dtype=np.float64)
        elif kind == "nominal":
            found.texts[name] = [_nominal(cell) for cell in data[name].tolist()]
    return found


def _nominal(cell: Any) -> str | None:
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return None if text == "?" else text


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SignalError(f"it is larger than {MAX_BYTES >> 20} MiB; cut it into parts")
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise SignalError("it is not text in UTF-8; export it again") from None


def _parsed(content: str, separator: str, named: bool) -> pl.DataFrame:
    try:
        table = pl.read_csv(
            content.encode(), separator=separator, has_header=named, infer_schema=False, comment_prefix=_COMMENT
        )
    except Exception:  # polars' words quote cells
        table = None
    if table is None or not table.height:
        raise SignalError("it has no rows of equally many cells; a recording has a column a channel, a row a sample")
    return table if named else table.rename({name: str(i + 1) for i, name in enumerate(table.columns)})


def _split(table: pl.DataFrame, *, decimal_comma: bool) -> Columns:
    found = Columns()
    for column in table.iter_columns():
        cells = column.str.strip_chars()
        cells = cells.set(cells == "", None)
        written = cells.str.replace(",", ".", literal=True) if decimal_comma else cells
        numbers = written.cast(pl.Float64, strict=False)
        bad = numbers.is_null() & cells.is_not_null()
        if bad.any() and numbers.is_not_null().any():
            row = int(bad.arg_true()[0]) + 1
            raise SignalError(f"column {column.name!r} of it holds no number in its row {row}; mend the file")
        if bad.any():
            found.texts[column.name] = cells.to_list()
        elif column.name.strip() or numbers.is_not_null().any():
            found.numbers[column.name] = numbers.fill_null(float("nan")).to_numpy()
    found.order = [name for name in table.columns if name in found.texts or name in found.numbers]
    return found
