"""Tables in: a path, a frame or a mapping of columns becomes one polars frame of the columns that are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from medplug.core.data.faults import Wanted
from medplug.core.data.files import existing, read_file
from medplug.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Tabular: TypeAlias = "str | Path | pl.DataFrame | pd.DataFrame | Mapping[str, Sequence[Any]]"
"""Whatever a table may be given as. pandas is looked at, never imported."""

IN_MEMORY = "table in memory"
_SLICE = 50_000


def read_table(
    source: Tabular,
    *,
    key: str,
    columns: Mapping[str, str] | None,
    optional: Iterable[str] = (),
    any_of: Iterable[tuple[str, ...]] = (),
    called: str | None = None,
) -> pl.DataFrame:
    """Read the needed columns of a table, and the `optional` ones that it has.

    Of the groups of needed keys in `any_of` those of which it has no column are
    left out, unless it has none of any. Messages name the source itself or, where
    this was made of a file, what it is `called`.

    `key` is the configuration key that `source` came from (``data.train``);
    `columns` maps configuration keys to names of columns (``data.text`` ->
    ``note``), where a `Pattern` stands for every column that it matches; None
    means every column. Cells of CSV and TSV stay text and empty
    ones become null; rows at the very end in which every cell is empty are left
    out. Other sources keep their types.

    Raises `DataError` for a table that cannot be read or lacks a column; the
    message names places (file, line, row, column), never content.
    """
    wanted = Wanted(key, called or table_name(source), columns, tuple(optional), tuple(any_of))
    frame = read_file(source, wanted) if isinstance(source, str | Path) else _in_memory(source, wanted)
    if frame.height == 0:
        raise wanted.error("it has columns but no rows", f"give {key} a table with at least one row")
    return frame


def table_name(source: Tabular) -> str:
    """How messages call a table: its path, or 'table in memory'."""
    return str(source) if isinstance(source, str | Path) else IN_MEMORY


def fingerprint(
    source: Tabular,
    *,
    key: str,
    columns: Mapping[str, str] | None = None,
    optional: Iterable[str] = (),
    any_of: Iterable[tuple[str, ...]] = (),
) -> str:
    """SHA-256, in hex, of a file's bytes (streamed) or of a frame's names, types and cells, in order.

    The others are as in `read_table`; of a frame only the columns that it would read count.
    Raises `DataError` where there is no such file or it may not be read.
    """
    wanted = Wanted(key, table_name(source), columns, tuple(optional), tuple(any_of))
    if not isinstance(source, str | Path):
        return _digest(_in_memory(source, wanted))
    with existing(source, wanted).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(frame: pl.DataFrame) -> str:
    # Python's repr is the same for every polars version and memory layout; polars' own hashes are not
    digest = hashlib.sha256(repr([(name, str(dtype)) for name, dtype in frame.schema.items()]).encode())
    for column in frame.iter_columns():
        for start in range(0, frame.height, _SLICE):
            values = column.slice(start, _SLICE).to_list()
            digest.update(repr(values).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _in_memory(source: Any, wanted: Wanted) -> pl.DataFrame:
    if isinstance(source, pl.DataFrame):
        return source.select(wanted.pick(source.columns))
    if _is_pandas(source):
        return _from_pandas(source, wanted)
    if isinstance(source, Mapping):
        return _from_mapping(source, wanted)
    raise wanted.error(
        f"a {type(source).__name__} is not a table",
        "give a path, a polars or pandas DataFrame, or a mapping of column names to sequences",
    )


def _is_pandas(source: Any) -> bool:
    return type(source).__module__.startswith("pandas") and hasattr(source, "iloc") and hasattr(source, "columns")


def _from_pandas(source: Any, wanted: Wanted) -> pl.DataFrame:
    names = [str(name) for name in source.columns]
    chosen = wanted.pick(names)
    return pl.DataFrame([_pandas_column(name, source.iloc[:, names.index(name)], wanted) for name in chosen])


def _pandas_column(name: str, column: Any, wanted: Wanted) -> pl.Series:
    kind, missing = str(column.dtype), column.isna().to_numpy()
    if kind.startswith(("int", "uint", "float", "bool", "datetime64[ns]", "datetime64[us]", "datetime64[ms]")):
        numbers = column.to_numpy()
        if numbers.dtype.kind in "iufbM":
            return pl.Series(name, numbers, nan_to_null=True)
    values = column.astype(object).tolist()
    return _series(name, [None if gap else v for gap, v in zip(missing, values, strict=True)], wanted)


def _from_mapping(source: Mapping[str, Sequence[Any]], wanted: Wanted) -> pl.DataFrame:
    chosen = {name: source[name] for name in wanted.pick(list(source))}
    for name, values in chosen.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise wanted.error(f"column {name!r} is a {type(values).__name__}", "give each column as a sequence")
    if len({len(values) for values in chosen.values()}) > 1:
        lengths = ", ".join(f"{name!r} {len(values)}" for name, values in chosen.items())
        raise wanted.error(f"its columns differ in length: {lengths}", "give every column one value a row")
    return pl.DataFrame([_series(name, values, wanted) for name, values in chosen.items()])


def _series(name: str, values: Sequence[Any], wanted: Wanted) -> pl.Series:
    """A column of plain values; what polars has no type for is kept as it is."""
    try:
        return pl.Series(name, values)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        pass  # handled below, so that no error chain carries polars' message, which quotes cells
    kinds = {type(value) for value in values if value is not None}
    if kinds & {str, int, float, bool} and len(kinds) > 1:
        mixed = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise wanted.error(f"column {name!r} mixes types: {mixed}", "turn the whole column into text or into numbers")
    return _objects(name, values, wanted)


def _objects(name: str, values: Sequence[Any], wanted: Wanted) -> pl.Series:
    try:
        return pl.Series(name, list(values), dtype=pl.Object)
    except Exception as error:  # polars raises many kinds here; only the kind is told
        kind = type(error).__name__
    raise DataError(str(wanted.error(f"column {name!r} cannot be held in a table ({kind})", "give plain values")))
