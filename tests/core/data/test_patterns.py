"""Needed columns that are named by a pattern, as gene_*."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from medplug.core.data.patterns import Pattern
from medplug.core.data.tables import fingerprint, read_table
from medplug.core.errors import DataError

COLUMNS = {"g2": [1, 2], "label": ["x", "y"], "g1": [3, 4], "other": ["a", "b"], "g*": [5, 6]}
FORMS: dict[str, Callable[[Path], Any]] = {
    "mapping": lambda folder: COLUMNS,
    "polars": lambda folder: pl.DataFrame(COLUMNS),
    "pandas": lambda folder: pd.DataFrame(COLUMNS),
    "csv": lambda folder: written(folder / "t.csv", pl.DataFrame.write_csv),
    "jsonl": lambda folder: written(folder / "t.jsonl", pl.DataFrame.write_ndjson),
    "parquet": lambda folder: written(folder / "t.parquet", pl.DataFrame.write_parquet),
}


def written(path: Path, write: Callable[..., Any]) -> Path:
    write(pl.DataFrame(COLUMNS), path)
    return path


def read(source: Any, *, optional: tuple[str, ...] = (), **columns: str) -> list[str]:
    named = {f"data.{key}": name for key, name in columns.items()}
    return read_table(source, key="data.train", columns=named, optional=optional).columns


@pytest.mark.parametrize("form", FORMS)
def test_a_pattern_stands_for_every_column_that_it_matches_in_the_tables_order(form: str, tmp_path: Path) -> None:
    assert read(FORMS[form](tmp_path), genes=Pattern("g[0-9]"), label="label") == ["g2", "g1", "label"]


def test_a_column_is_read_once_however_often_it_is_meant() -> None:
    assert read(COLUMNS, one="g1", all=Pattern("*"), optional=("other",)) == ["g1", "g2", "label", "other", "g*"]


def test_a_columns_own_name_is_no_pattern() -> None:
    assert read(COLUMNS, genes=Pattern("g*")) == ["g*"]


def test_only_what_is_said_to_be_a_pattern_is_one() -> None:
    with pytest.raises(DataError, match=r"data\.text=o\*: there is no column 'o\*'"):
        read(COLUMNS, text="o*")


def test_a_pattern_that_matches_nothing_is_a_missing_column() -> None:
    with pytest.raises(DataError, match=r"data\.genes=x\*: there is no column 'x\*'"):
        read(COLUMNS, genes=Pattern("x*"))


def test_no_pattern_matches_the_nameless_columns_of_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a,,b\n0,1,,2\n")
    assert read(tmp_path / "t.csv", values=Pattern("*")) == ["a", "b"]


def test_the_fingerprint_of_a_frame_covers_what_a_pattern_matches() -> None:
    def of(**changed: list[Any]) -> str:
        frame = pl.DataFrame({**COLUMNS, **changed})
        return fingerprint(frame, key="data.train", columns={"data.genes": Pattern("g[0-9]")})

    assert of() == of(other=["c", "d"]) != of(g1=[3, 5])


def test_the_names_of_many_missing_columns_are_cut_short() -> None:
    with pytest.raises(DataError) as told:
        read(COLUMNS, **{f"genes{i}": f"z{i}" for i in range(500)})
    assert "and 490 more" in str(told.value) and len(str(told.value)) < 2000


def test_ten_thousand_columns_are_found_at_once(tmp_path: Path) -> None:
    names = [f"g{i}" for i in range(10_000)]
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    began = time.perf_counter()
    read(tmp_path / "t.csv", **dict(zip(names, names, strict=True)))
    assert time.perf_counter() - began < 5
