"""From the cells of a table to signals, and the problems of those that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.paths import start_of
from medplug.core.data.problems import Problems
from medplug.core.errors import DataError
from medplug.core.signals.arrays import MAX_ARCHIVE, Archive
from medplug.core.signals.formats import read_raw
from medplug.core.signals.reading import Raw, SignalError, check_rate, signal_of
from medplug.core.signals.references import ArchiveRow, RecordingPart, resolver
from medplug.core.signals.resampling import resample
from medplug.core.signals.signal import Signal
from medplug.core.signals.sources import Cutting, read_labelled, table_of_archive, table_of_recording, tabulate

__all__ = ["Cutting", "SignalReader", "matched", "table_of_archive", "table_of_recording", "tabulate"]

_Cell: TypeAlias = "Path | ArchiveRow | RecordingPart | Signal | NDArray[Any]"


def matched(names: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The `columns` that names or patterns (``t_*``) stand for: pattern by pattern, each in the table's order.

    Raises `DataError` for a pattern that no column fits.
    """
    found: dict[str, None] = {}
    for name in names:
        fitting = [name] if name in columns else [each for each in columns if fnmatchcase(each, name)]
        if not fitting:
            raise DataError(f"data.signal: no column is named {name!r} or fits it as a pattern")
        found |= dict.fromkeys(fitting)
    return tuple(found)


@dataclass(slots=True)
class SignalReader:
    """Reads the signals of one table.

    `column` holds one a row: a path, an array or lists ``[samples]`` or
    ``[channels, samples]``, a `Signal`, or what `tabulate` put there. Several
    columns, or patterns of their names, hold the samples of one channel in
    order. Paths start from `root` (``data.root``), else from `folder`, the
    table's own. `rate` is that of signals that do not say theirs; with
    `resample` all are brought to that rate. `mended` counts the signals of which
    missing samples were filled.
    """

    column: str | tuple[str, ...]
    root: Path | None
    folder: Path | None
    rate: float | None
    resample: float | None
    problems: Problems
    mended: int = 0
    _held: dict[Any, Any] = field(default_factory=dict, repr=False)

    def read(self, table: pl.DataFrame) -> list[Signal | None]:
        """One signal a row; None where a cell is empty, and where it is a problem.

        Equal references are read once. Raises `DataError` for a column that
        cannot hold signals.
        """
        if isinstance(self.column, tuple):
            found = self._wide(table.select(matched(self.column, table.columns)))
        else:
            found = self._cells(table[self.column])
        self._held.clear()
        return found

    def _cells(self, column: pl.Series) -> list[Signal | None]:
        kind = column.dtype
        if not (kind.is_nested() or kind in (pl.String, pl.Object, pl.Null, pl.Categorical)):
            step = 'paths, arrays or lists are needed; of one sample a column name them all, as ["t_*"]'
            raise DataError(f"data.signal: column {column.name!r} holds {kind}; {step}")
        resolve = resolver(self.root, self.folder)
        found: list[Signal | None] = []
        for i, cell in enumerate(column):
            text = str(cell).strip() if isinstance(cell, str | Path) else None
            if cell is None or text == "":
                found.append(None)
                continue
            try:
                found.append(self._signal(resolve(text) if text is not None else _array(cell)))
            except SignalError as error:
                self.problems.add([i + 1], column.name, str(error))
                found.append(None)
        return found

    def _wide(self, table: pl.DataFrame) -> list[Signal | None]:
        """Rows whose columns are samples; empty cells at the end are no samples, others are missing ones."""
        bad: dict[int, str] = {}
        numbers = np.empty((table.height, table.width))
        for i, column in enumerate(table.iter_columns()):
            cells = column.cast(pl.String).str.strip_chars() if column.dtype == pl.String else column
            cast = cells.cast(pl.Float64, strict=False)
            numbers[:, i] = cast.fill_null(np.nan).to_numpy()
            wrong = cast.is_null() & cells.is_not_null()
            for row in (wrong & (cells != "") if cells.dtype == pl.String else wrong).arg_true().to_list():
                bad.setdefault(row, column.name)
        found: list[Signal | None] = []
        for i, row in enumerate(numbers):
            samples = row[: int(np.flatnonzero(~np.isnan(row)).max(initial=-1)) + 1]
            try:
                if i in bad:
                    raise SignalError("the cell is not a number")
                found.append(self._signal(samples) if len(samples) else None)
            except SignalError as error:
                self.problems.add([i + 1], bad.get(i, table.columns[0]), str(error))
                found.append(None)
        return found

    def _signal(self, cell: _Cell) -> Signal:
        if isinstance(cell, Path):
            within = start_of(self.root, self.folder)
            read: Signal = self._once(cell, lambda: self._finished(read_raw(cell, within=within)))
            return read
        if isinstance(cell, Signal):
            return self._finished(Raw(cell.samples, cell.rate))
        if isinstance(cell, ArchiveRow):
            numbers, rate = self._once((cell.archive, cell.array), lambda: _whole(cell))
            if cell.row >= len(numbers):
                raise SignalError("its archive has fewer rows than before; read it again")
            return self._finished(Raw(numbers[cell.row], rate))
        if isinstance(cell, RecordingPart):
            whole: Raw = self._once((cell.recording, cell.label), lambda: read_labelled(cell.recording, cell.label)[0])
            numbers = np.atleast_2d(whole.numbers)[:, cell.start : cell.stop]
            return self._finished(Raw(numbers, whole.rate))
        return self._finished(Raw(cell))

    def _finished(self, raw: Raw) -> Signal:
        rate = self.rate if raw.rate is None else raw.rate
        signal, filled = signal_of(Raw(raw.numbers, None if rate is None else check_rate(rate)))
        self.mended += filled > 0
        return signal if self.resample is None else resample(signal, self.resample)

    def _once(self, key: Any, read: Any) -> Any:
        """What was read for this key before, or the same error."""
        if key not in self._held:
            try:
                self._held[key] = read()
            except SignalError as error:
                self._held[key] = error
        if isinstance(self._held[key], SignalError):
            raise self._held[key]
        return self._held[key]


def _whole(cell: ArchiveRow) -> Raw:
    with Archive(cell.archive) as archive:
        return Raw(archive.read(cell.array, MAX_ARCHIVE), archive.rate())


def _array(cell: Any) -> _Cell:
    """A cell that holds its signal itself; `SignalError` where it holds no numbers, or lists of different lengths."""
    if isinstance(cell, Signal | ArchiveRow | RecordingPart):
        return cell
    if isinstance(cell, pl.Series):
        cell = cell.to_list() if cell.dtype.is_nested() else cell.to_numpy()
    try:
        return np.asarray(_gaps(cell) if isinstance(cell, list) else cell)
    except (TypeError, ValueError):
        raise SignalError(
            "its lists are no numbers, or differ in length; give [samples] or [channels, samples]"
        ) from None


def _gaps(cells: list[Any]) -> list[Any]:
    """Nulls within lists as NaN."""
    return [_gaps(each) if isinstance(each, list) else float("nan") if each is None else float(each) for each in cells]
