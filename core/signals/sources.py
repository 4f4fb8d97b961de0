"""What may be given in place of a table of signals: an ``.npz`` archive, an ARFF table, one long recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data import cells
from medplug.core.errors import DataError
from medplug.core.signals.arrays import MAX_ARCHIVE, Archive
from medplug.core.signals.columns import Columns, arff_columns, text_columns
from medplug.core.signals.formats import check_file, read_raw
from medplug.core.signals.reading import Raw, SignalError
from medplug.core.signals.references import ArchiveRow, RecordingPart
from medplug.core.signals.windows import blocks, majority, window_starts

START = "start"
"""The column of a recording's table that tells where in it a window starts, in samples."""
SPLIT = "split"
"""Its column of splits."""
_TABLES = (".arff", ".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a recording becomes rows: windows of `length` samples every `step` (None: `length`).

    With `shares` the windows are assigned to train, validation and test by
    blocks of time, as `blocks` does with `gap` and `rounds`.
    """

    length: int
    step: int | None = None
    shares: tuple[float, float, float] | None = None
    gap: int = 0
    rounds: int = 1


def tabulate(source: Any, column: str, key: str) -> Any:
    """A frame where `source` is an ``.npz`` archive or an ARFF file; everything else as it is.

    The rows of an archive are `table_of_archive`'s. An ARFF file is a plain
    table, whose columns may hold the samples of a signal. Raises `DataError`,
    naming `key` (``data.train``), for a damaged one.
    """
    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    if path is None or not path.is_file() or path.suffix.lower() not in (".npz", ".arff"):
        return source
    with _named(path, key):
        if path.suffix.lower() == ".npz":
            return table_of_archive(path, column)
        found = arff_columns(path)
    return pl.DataFrame({name: found.numbers.get(name, found.texts.get(name)) for name in found.order})


def table_of_archive(path: Path, column: str) -> pl.DataFrame:
    """A row a signal: the array of signals as `column`, and every other array of as many rows by its own name.

    Signals are ``[n, samples]`` or ``[n, channels, samples]``, in the array
    `column`, ``x`` or ``signal``; one number named ``rate`` or ``fs`` is their
    rate. Other arrays are ``[n]``, numbers or texts, or ``[n, columns]``, which
    become lists. Raises `SignalError` where the archive is damaged, or has none.
    """
    with Archive(path) as archive:
        signals = archive.named(column)
        shape = archive.shapes[signals]
        if len(shape) not in (2, 3):
            raise SignalError(
                f"its array {signals} is {list(shape)}; signals are [n, samples] or [n, channels, samples]"
            )
        whole = path.resolve()
        rows = [ArchiveRow(whole, signals, row) for row in range(shape[0])]
        found = [pl.Series(column, rows, dtype=pl.Object)]
        for name, each in archive.shapes.items():
            if name not in (signals, column) and each[:1] == shape[:1] and len(each) in (1, 2):
                found.append(_series(name, archive.read(name, MAX_ARCHIVE, "buifU")))
    return pl.DataFrame(found)


def table_of_recording(path: Path, column: str, cutting: Cutting, *, label: str | None = None) -> pl.DataFrame:
    """A row a window of one recording: its signal as `column`, `start`, the `label` of most of its samples, `split`.

    `label` is a column of the recording itself (ARFF, CSV, TSV, text, or an
    array of an ``.npz``). Raises `SignalError` where the recording cannot be
    read or a label is empty, `DataError` where no window fits in.
    """
    raw, labels = read_labelled(path, label)
    total = np.atleast_2d(raw.numbers).shape[1]
    starts = window_starts(total, cutting.length, cutting.step or cutting.length)
    parts = [RecordingPart(path.resolve(), label, start, start + cutting.length) for start in starts.tolist()]
    found = [pl.Series(column, parts, dtype=pl.Object), pl.Series(START, starts)]
    if labels is not None and label is not None:
        found.append(pl.Series(label, majority(labels, starts, cutting.length)))
    if cutting.shares is not None:
        found.append(pl.Series(SPLIT, blocks(starts, cutting.length, cutting.shares, cutting.gap, cutting.rounds)))
    return pl.DataFrame(found)


def read_labelled(path: Path, label: str | None) -> tuple[Raw, list[str] | None]:
    """A recording, and one label a sample where `label` names them."""
    if label is None:
        return read_raw(path), None
    check_file(path)
    ending = path.suffix.lower()
    if ending == ".npz":
        with Archive(path) as archive:
            if label not in archive.shapes:
                raise SignalError(f"it has no array {label!r} of labels")
            labels = _series(label, archive.read(label, MAX_ARCHIVE, "buifU"))
            raw = Raw(archive.read(archive.named(None, without=label), MAX_ARCHIVE), archive.rate())
        return raw, _labels(labels, np.atleast_2d(raw.numbers).shape[1])
    if ending not in _TABLES:
        raise SignalError(f"labels are read from {', '.join((*_TABLES, '.npz'))}; cut it into one file a label")
    columns = arff_columns(path) if ending == ".arff" else text_columns(path)
    raw = Raw(columns.channels(without=label))
    return raw, _labels(_named_column(columns, label), raw.numbers.shape[1])


def _named_column(columns: Columns, label: str) -> pl.Series:
    if label in columns.texts:
        return pl.Series(label, columns.texts[label], dtype=pl.String)
    if label in columns.numbers:
        return pl.Series(label, columns.numbers[label])
    raise SignalError(f"it has no column {label!r} of labels (it has {', '.join(columns.order[:20])})")


def _labels(column: pl.Series, samples: int) -> list[str]:
    found = cells.texts(column, "data.label")
    if len(found) != samples:
        raise SignalError(f"it has {samples} samples and {len(found)} labels; each sample needs one")
    if found.null_count():
        raise SignalError(
            f"{found.null_count()} of its samples have no label; the first is {found.is_null().arg_true()[0] + 1}"
        )
    return [str(each) for each in found]


def _series(name: str, values: NDArray[Any]) -> pl.Series:
    """An array of an archive as a column: a value a row, or a list."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    return pl.Series(name, flat.tolist())


@contextmanager
def _named(path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except SignalError as error:
        raise DataError(f"{key} ({path}): {error}") from None
