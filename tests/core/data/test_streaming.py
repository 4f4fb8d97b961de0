"""A table in pieces is the table: the same cells, columns and refusals, whatever the pieces' size."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from medplug.core.data.streaming import stream_table
from medplug.core.data.tables import Tabular, read_table
from medplug.core.errors import DataError

COLUMNS = {"data.smiles": "smiles"}
ROWS = [("M1", "CCO", "a,b"), ("M2", None, 'x "y"'), ("M3", "C" * 200_000, "line\nbreak"), ("M4", "N", None)]


def frames(source: Tabular, rows: int = 2, **more: object) -> list[pl.DataFrame]:
    found: Iterator[pl.DataFrame] = stream_table(source, rows=rows, key="INPUT", columns=COLUMNS, optional=("id", "no"))
    return list(found)


def written(folder: Path, ending: str) -> Path:
    file = folder / f"table{ending}"
    table = pl.DataFrame(ROWS, schema=["id", "smiles", "note"], orient="row")
    plain = folder / f"table{ending.removesuffix('.gz')}"
    if ".csv" in ending:
        table.write_csv(plain)
    elif ".tsv" in ending:
        table.write_csv(plain, separator="\t")
    elif ending == ".parquet":
        table.write_parquet(plain)
    else:
        table.write_ndjson(plain)
    if ending.endswith(".gz"):
        file.write_bytes(gzip.compress(plain.read_bytes()))
    return file


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".ndjson", ".parquet"])
def test_the_pieces_are_the_table(tmp_path: Path, ending: str, rows: int) -> None:
    file = written(tmp_path, ending)
    found = frames(file, rows)
    assert max(frame.height for frame in found) <= rows
    wanted = read_table(file, key="INPUT", columns=COLUMNS, optional=("id", "no"))
    assert pl.concat(found).equals(wanted) and wanted.columns == ["smiles", "id"]


def test_a_table_in_memory_is_cut(tmp_path: Path) -> None:
    found = frames({"smiles": ["C", "N", "O"], "id": [1, 2, 3]})
    assert [frame["id"].to_list() for frame in found] == [[1, 2], [3]]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_blank_lines_count_but_for_those_at_the_end(tmp_path: Path, rows: int) -> None:
    file = tmp_path / "table.csv"
    file.write_text("\ufeffsmiles,id\nC,1\n\n,\nN,2\n\n,\n\n\n")
    assert pl.concat(frames(file, rows))["smiles"].to_list() == ["C", None, None, "N"]
    file.write_text("\n\nsmiles\nC\n")
    assert pl.concat(frames(file, rows))["smiles"].to_list() == ["C"]


def test_a_header_alone_gives_nothing(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("smiles,id\n")
    assert frames(file) == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n\n", "there is no header"),
        ("t.csv", b"smile,id\nC,1\n", "data.smiles=smiles: there is no column 'smiles'; did you mean smile"),
        ("t.csv", b"smiles,id\nC,1\nC,1\nC,1,2\n", "row 3 has 3 cells where the header has 2"),
        ("t.csv", b"smiles,id\nC,1\nN\n", "row 2 has 1 cells where the header has 2"),
        ("t.csv", b'smiles,id\nC,"1\n', "broken quoting"),
        ("t.csv", b"smiles,id\nC,1\nC,\xff\n", "not UTF-8: the first bad byte is in line 3"),
        ("t.csv.gz", gzip.compress(b"smiles,id\n" + b"C,1\n" * 50_000, mtime=0)[:90], "corrupt or cut short"),
        ("t.jsonl", b'{"smiles": "C"}\n{"smiles": \n', "line 2 is not valid JSON"),
        ("t.jsonl", b'{"smiles": "C"}\n[1]\n', "line 2 is JSON but not an object"),
        ("t.jsonl", b'{"smiles": ["C"]}\n', "column 'smiles' holds lists or objects"),
        ("t.jsonl", b"\n \n", "it has no lines"),
        ("t.parquet", b"PAR1 and no more", "not a Parquet file, or a corrupt one"),
        ("t.xlsx", b"x", "save the sheet as 'CSV UTF-8'"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_place_without_a_cell(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as raised:
        frames(file, 1)
    assert told in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("smiles,id\n" + "C,1\n" * 50_000 + "C,1,too,many\n")
    pieces = stream_table(file, rows=10, key="INPUT", columns=COLUMNS)
    assert next(pieces).height == 10  # the bad row lies further on


def test_another_table_can_be_read_meanwhile(tmp_path: Path) -> None:
    file = written(tmp_path, ".csv")
    pieces = stream_table(file, rows=1, key="INPUT", columns=COLUMNS)
    next(pieces)
    assert read_table(file, key="INPUT", columns=COLUMNS).height == 4
    assert next(pieces)["smiles"].to_list() == [None]


def test_numbers_of_json_lines_become_text(tmp_path: Path) -> None:
    file = tmp_path / "table.jsonl"
    file.write_text("".join(json.dumps({"smiles": "C", "id": value}) + "\n" for value in (7, "007", 1.5, None, True)))
    assert pl.concat(frames(file))["id"].to_list() == ["7", "007", "1.5", None, "true"]
