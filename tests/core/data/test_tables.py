from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from medplug.core.data.tables import IN_MEMORY, fingerprint, read_table, table_name
from medplug.core.errors import DataError

SECRET = "Zanzibar"  # planted in rows; no message may hold it
NEEDED = {"data.text": "note", "data.label": "dx"}
CSV = "id,note,dx\n007,fever,1E50\n008,,A01\n"


def read(source: Any, columns: dict[str, str] | None = NEEDED, **more: Any) -> pl.DataFrame:
    return read_table(source, key="data.train", columns=columns, **more)


def refused(source: Any, columns: dict[str, str] | None = NEEDED) -> str:
    with pytest.raises(DataError) as caught:
        read(source, columns)
    error: BaseException | None = caught.value
    while error is not None:  # nor may an error that stands behind it
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__
    message = str(caught.value)
    assert message.startswith("data.train (") and "\n" in message
    assert len(message.splitlines()) <= 6
    return message


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "notes.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_codes_and_ids_stay_text_and_empty_cells_become_null(file):
    frame = read(file(CSV), {"data.group": "id", **NEEDED})
    assert frame.to_dict(as_series=False) == {"id": ["007", "008"], "note": ["fever", None], "dx": ["1E50", "A01"]}


def test_a_quoted_empty_cell_is_empty_too(file):
    assert read(file('note,dx\n"",A\n'))["note"].to_list() == [None]


def test_only_needed_columns_and_optional_ones_that_are_there_are_read(file):
    assert read(file(CSV)).columns == ["note", "dx"]
    assert read(file(CSV), optional=["id", "site"]).columns == ["note", "dx", "id"]
    assert read(file(CSV), None).columns == ["id", "note", "dx"]


def test_two_keys_may_name_one_column(file):
    assert read(file(CSV), {"data.group": "id", "data.site": "id"}).columns == ["id"]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.ndjson", "t.parquet", "T.CSV"])
def test_every_format_gives_the_same_rows(name, tmp_path):
    frame = pl.DataFrame({"id": ["007", "8"], "note": ['a "b", c\nd', "é漢"], "dx": ["x", None]})
    path = tmp_path / name
    writers: dict[str, Callable[[Path], Any]] = {
        ".csv": frame.write_csv,
        ".tsv": lambda p: frame.write_csv(p, separator="\t"),
        ".parquet": frame.write_parquet,
    }
    writers.get(path.suffix.lower(), frame.write_ndjson)(path)
    assert read(path, None).equals(frame)
    if path.suffix != ".parquet":
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert read(packed).equals(frame.select("note", "dx"))


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(file):
    rows = {"note": ["fever"], "dx": ["A"]}
    assert read(file(b"\xef\xbb\xbfnote,dx\r\nfever,A\r\n")).to_dict(as_series=False) == rows
    assert read(file(b'\xef\xbb\xbf{"note":"fever","dx":"A"}\n', "n.jsonl")).to_dict(as_series=False) == rows


def test_columns_that_look_like_patterns_are_read_by_their_plain_name(file, tmp_path):
    csv = file("^a$,*,a\n1,2,3\n")
    json = file('{"^a$":"1","*":"2","a":"3"}\n', "j.jsonl")
    for path in (csv, json):
        assert read(path, {"data.text": "*", "data.label": "^a$"}).rows() == [("2", "1")]


def test_brackets_in_a_file_name_are_no_pattern(file):
    for name, other in (("a[1].csv", "a1.csv"), ("a[1].jsonl", "a1.jsonl"), ("a*.parquet", "ab.parquet")):
        for target, cell in ((name, "mine"), (other, "other")):
            path = file("", target)
            frame = pl.DataFrame({"note": [cell], "dx": [cell]})
            {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[path.suffix](path)
        assert read(path.parent / name)["note"].to_list() == ["mine"]


def test_blank_rows_inside_keep_their_number_and_those_at_the_end_are_left_out(file):
    frame = read(file("note,dx\na,b\n\nc,d\n,\n\n"))
    assert frame.rows() == [("a", "b"), (None, None), ("c", "d")]


def test_nameless_columns_of_a_spreadsheet_do_no_harm(file):
    assert read(file("note,dx,,\na,b,,\n")).rows() == [("a", "b")]


def test_a_key_that_first_shows_in_the_last_json_line_is_read(file):
    lines = '{"note":1}\n' * 500 + '{"note":1.5,"dx":"late"}\n'
    assert read(file(lines, "n.jsonl"))["dx"][-1] == "late"


def test_other_sources_keep_their_types(file, tmp_path):
    frame = pl.DataFrame({"note": [1.5, None], "dx": [["a", "b"], []]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").schema == frame.schema
    assert read(frame).equals(frame)
    assert read({"note": [1.5, None], "dx": [["a", "b"], []], "more": [1]}).equals(frame)


def test_a_pandas_frame_is_read_column_by_column_with_its_gaps():
    source = pd.DataFrame(
        {
            "int": [1, 2],
            "gap": [1.5, None],
            "text": ["a", None],
            "tuple": [("a", "b"), ("c",)],
            "cat": pd.Categorical(["x", None]),
            "Int": pd.array([1, None], dtype="Int64"),
            "day": pd.to_datetime(["2020-01-01", None]),
            "flag": [True, False],
        }
    )
    frame = read(source, None)
    assert frame["int"].to_list() == [1, 2] and frame["flag"].to_list() == [True, False]
    assert frame["tuple"].to_list() == [["a", "b"], ["c"]]
    for name, first in (("gap", 1.5), ("text", "a"), ("cat", "x"), ("Int", 1)):
        assert frame[name].to_list() == [first, None]
    assert frame["day"].null_count() == 1 and frame["day"][0].year == 2020
    assert read(source, {"data.text": "text"}).columns == ["text"]


def test_values_without_a_column_type_are_kept_as_they_are():
    images = [object(), object()]
    assert read({"note": images}, {"data.image": "note"})["note"].to_list() == images


def test_neither_pandas_nor_torch_is_imported():
    code = "import sys, medplug.core.data.tables as t; t.read_table({'a': [1]}, key='k', columns=None);"
    code += "assert not {'pandas', 'torch', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- refusals: a file that is not there or is no table


def test_a_missing_file_is_told_with_close_names(file):
    message = refused(file(CSV).parent / "note.csv")
    assert "no such file" in message and "did you mean notes.csv?" in message and "data.train" in message


def test_a_missing_folder_is_told(tmp_path):
    assert "no folder" in refused(tmp_path / "nowhere" / "x.csv")


def test_a_folder_is_refused_with_the_tables_in_it(file):
    message = refused(file(CSV).parent)
    assert "folder" in message and "notes.csv" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [("t.xlsx", "CSV UTF-8"), ("t.json", ".jsonl"), ("t.zip", "unpack"), ("t.parquet.gz", ".parquet.gz"), ("t", "''")],
)
def test_an_unknown_ending_is_refused_with_the_allowed_ones(file, name, hint):
    message = refused(file(SECRET, name))
    assert ".csv, .tsv, .jsonl" in message and hint in message


def test_a_file_that_may_not_be_opened_is_told(file, monkeypatch):
    path = file(CSV)

    def deny(self: Path, *args: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "permission denied" in refused(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told(file):
    path = file(CSV)
    path.chmod(0)
    assert "permission denied" in refused(path)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_an_empty_file_is_told(file, name):
    assert "0 bytes" in refused(file("", name))


@pytest.mark.parametrize("content", ["note,dx", "note,dx\n", "note,dx\r\n\r\n", "note,dx\n,\n"])
def test_a_header_without_rows_is_told(file, content):
    assert "no rows" in refused(file(content))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.csv.gz"])
def test_a_file_of_blank_lines_is_told(file, name):
    content = b"\n \n" if name.endswith("jsonl") else b"\n\n"
    refused(file(gzip.compress(content) if name.endswith("gz") else content, name))


@pytest.mark.parametrize("source", [{"note": [], "dx": []}, pl.DataFrame(schema=["note", "dx"])])
def test_a_frame_without_rows_is_told(source):
    message = refused(source)
    assert "no rows" in message and IN_MEMORY in message


# ---- refusals: columns


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "polars", "pandas", "mapping"])
def test_a_missing_column_is_told_with_its_key_the_columns_and_a_guess(kind, tmp_path):
    frame = pl.DataFrame({"notes": [SECRET], "dx": ["A"]})
    path = tmp_path / f"t.{kind}"
    sources: dict[str, Callable[[], Any]] = {
        "csv": lambda: frame.write_csv(path),
        "tsv": lambda: frame.write_csv(path, separator="\t"),
        "jsonl": lambda: frame.write_ndjson(path),
        "parquet": lambda: frame.write_parquet(path),
        "polars": lambda: frame,
        "pandas": lambda: pd.DataFrame(frame.to_dict(as_series=False)),
        "mapping": lambda: frame.to_dict(as_series=False),
    }
    source = sources[kind]()
    message = refused(path if source is None else source)
    assert "data.text=note" in message and "did you mean notes?" in message and "2 column(s): notes, dx" in message


def test_many_columns_are_cut(file):
    names = [f"column{i}" for i in range(45)]
    message = refused(file(",".join([*names, "last"]) + "\n" + "x," * 45 + "x\n"))
    assert "... and 16 more" in message and "column29" in message and "column30" not in message


def test_a_note_where_a_header_should_be_is_not_quoted(file):
    message = refused(file(f"a woman of 60 years with pain in the chest, {SECRET}\nb,c\n".replace(", ", " ") + "c\n"))
    assert "does not look like names of columns" in message and "woman" not in message


def test_the_wrong_separator_is_guessed(file):
    assert "';'" in refused(file(f"note;dx\n{SECRET};A\n"))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_duplicate_column_names_are_refused(file, name):
    content = f"note,dx,note\n{SECRET},A,b\n"
    assert "'note'" in refused(file(content.replace(",", "\t") if name.endswith("tsv") else content, name))


def test_duplicate_columns_of_a_pandas_frame_are_refused():
    assert "'note'" in refused(pd.DataFrame([[SECRET, "b", "c"]], columns=["note", "note", "dx"]))


# ---- refusals: content


def test_bytes_that_are_not_utf8_are_told_by_line_and_offset_across_chunks(file):
    head = "note,dx\n" + "漢字の所見,A\n" * 100_000  # 1.8 MB: characters cross the boundaries of chunks
    for bad in (b"\xff", "发热".encode("gb18030")):
        message = refused(file(head.encode() + SECRET.encode() + bad + b",B\n"))
        offset = len(head.encode()) + len(SECRET)
        assert "line 100002" in message and f"offset {offset}\n" in message
        assert "iconv -f GB18030 -t UTF-8" in message


def test_bad_bytes_are_told_wherever_they_stand(file):
    assert "line 1, at byte offset 4" in refused(file(b"note\xff,dx\na,b\n"))
    assert "line 2" in refused(file(b"id,note,dx\n\xff,a,b\n"))
    assert "line 2" in refused(file(b'{"note":"a","dx":"b"}\n{"note":"\xff","dx":"b"}\n', "t.jsonl"))
    assert "line 2" in refused(file(gzip.compress(b"note,dx\n\xff,b\n"), "t.csv.gz"))
    assert "iconv -f UTF-16" in refused(file("note,dx\na,b\n".encode("utf-16")))


@pytest.mark.parametrize("more", ["", "a,b,c\n" * 50_000])
@pytest.mark.parametrize(
    ("row", "cells"), [(f"{SECRET},x,y,z", 4), (f"1,{SECRET}", 2), (f"1,a,b,{SECRET},", 5), (f"{SECRET}", 1)]
)
def test_a_row_with_too_many_or_too_few_cells_is_told_by_its_number(file, more, row, cells):
    content = "id,note,dx\n1,a,\n\n" + more + row + "\n3,c,d\n"
    message = refused(file(content), {"data.text": "note"})
    assert f"row {3 + more.count(chr(10))} has {cells} cells where the header has 3" in message


@pytest.mark.parametrize("more", ["", "1,a,b\n" * 50_000])
@pytest.mark.parametrize("row", [f'1,"{SECRET},b', f'1,"{SECRET}"x,b', f'1,a 5" {SECRET},b', f'"{SECRET}" ,a,b'])
def test_broken_quoting_is_told(file, more, row):
    message = refused(file("id,note,dx\n1,a,b\n" + more + row + "\n3,c,d\n"))
    assert "quoting" in message or "cells where" in message


def test_well_quoted_notes_are_read_whatever_they_hold(file):
    notes = ['a "5"" scar', "line\n\nline\r\nline", "a,b", 'end"', "x" * 300_000]
    content = pl.DataFrame({"note": notes, "dx": ["A"] * 4 + [None]}).write_csv()
    assert read(file(content))["note"].to_list() == notes


def test_a_file_with_bare_carriage_returns_is_refused(file):
    assert "carriage return" in refused(file(f"note,dx\r{SECRET},A\r"))


@pytest.mark.parametrize("bad", [f'{{"note":"{SECRET}"', SECRET, f'{{"note":NaN,"dx":"{SECRET}"}}', f'["{SECRET}"]'])
def test_a_json_line_that_does_not_parse_is_told_by_its_number(file, bad):
    message = refused(file('{"note":"a","dx":"b"}\n' * 3 + bad + '\n{"note":"a","dx":"b"}\n', "t.jsonl"))
    assert "line 4 is" in message


def test_a_corrupt_gzip_is_told(file):
    packed = gzip.compress((CSV + f"1,{SECRET},A\n" * 5000).encode())
    middle = len(packed) // 2
    for broken in (packed[:middle], packed[:middle] + b"\xff" * 9 + packed[middle + 9 :], packed[:12]):
        assert "gzip file is corrupt" in refused(file(broken, "t.csv.gz"))
    assert "gzip file is corrupt" in refused(file(gzip.compress(b'{"note":1,"dx":2}\n' * 99)[:-12], "t.jsonl.gz"))


def test_a_corrupt_parquet_is_told(tmp_path, file):
    pl.DataFrame({"note": [SECRET] * 999, "dx": list(range(999))}).write_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for broken in (whole[:-9], b"PAR1", whole[:8] + b"\0" * 60 + whole[68:]):
        assert "Parquet" in refused(file(broken, "b.parquet"))


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ({"note": [SECRET], "dx": ["a", "b"]}, "'note' 1, 'dx' 2"),
        ({"note": SECRET, "dx": ["a"]}, "column 'note' is a str"),
        ({"note": [SECRET, 1], "dx": ["a", "b"]}, "mixes types: int, str"),
        ({"note": [1, SECRET], "dx": ["a", "b"]}, "mixes types: int, str"),
        (pd.DataFrame({"note": [1, SECRET], "dx": ["a", "b"]}), "mixes types: int, str"),
        ([SECRET], "a list is not a table"),
        (None, "a NoneType is not a table"),
    ],
)
def test_frames_that_are_no_tables_are_refused(source, part):
    assert part in refused(source)


# ---- names, fingerprints, memory


def test_a_table_is_called_by_its_path(tmp_path):
    assert table_name(tmp_path / "a.csv") == str(tmp_path / "a.csv") and table_name({"a": [1]}) == "table in memory"


def test_a_fingerprint_of_a_file_is_that_of_its_bytes(file):
    import hashlib

    assert fingerprint(file(CSV), key="data.train") == hashlib.sha256(CSV.encode()).hexdigest()
    with pytest.raises(DataError, match="no such file"):
        fingerprint("nowhere.csv", key="data.train")


def test_a_fingerprint_of_a_frame_knows_order_types_names_and_gaps_but_not_layout():
    base = pl.DataFrame({"a": ["x", "y", None], "b": [1, 2, 3]})
    others = [
        base.reverse(),
        base.select("b", "a"),
        base.rename({"a": "c"}),
        base.with_columns(pl.col("b").cast(pl.Int32)),
        base.with_columns(pl.col("a").fill_null("None")),
        base.head(2),
    ]
    assert len({fingerprint(frame, key="data.train") for frame in [base, *others]}) == 7
    pieces = pl.concat([base.head(1), base.slice(1)], rechunk=False)
    assert (
        fingerprint(pieces, key="data.train")
        == fingerprint(base, key="data.train")
        == fingerprint(base.to_dict(as_series=False), key="data.train")
    )


def test_reading_two_columns_costs_far_less_memory_than_the_file(tmp_path):
    path = tmp_path / "wide.csv"
    wide = ",".join(["unneeded words " * 9] * 10)
    with path.open("w") as out:
        out.write("note,dx," + ",".join(f"w{i}" for i in range(10)) + "\n")
        for block in range(200):
            out.write("".join(f"note {block} {i},A,{wide}\n" for i in range(1000)))
    code = (
        "import resource, sys; from medplug.core.data.tables import read_table\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "frame = read_table(sys.argv[1], key='data.train', columns={'data.text': 'note', 'data.label': 'dx'})\n"
        "print(frame.height, peak() - before)"
    )
    command = [sys.executable, "-c", code, str(path)]
    run = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "POLARS_MAX_THREADS": "2"})
    rows, grown = map(int, run.stdout.split())
    assert rows == 200_000
    assert grown < path.stat().st_size


def test_a_column_that_a_finished_model_lacks_is_not_to_be_named_by_keys_that_are_settled() -> None:
    with pytest.raises(DataError, match=r"no column 'sex'\n.*\ngive its columns the names that the model learned from"):
        read_table(pl.DataFrame({"age": [50]}), key="INPUT", columns={"data.tabular[0]": "sex"})


@pytest.mark.parametrize(
    ("key", "step"),
    [
        ("data.text", "name the column with data.text=COLUMN"),
        ("data.tabular[1]", 'name the columns with data.tabular=["COLUMN","COLUMN"]'),
        ("data.also (sex)", 'name the columns with data.also=["COLUMN","COLUMN"]'),
    ],
)
def test_a_missing_column_is_told_with_the_key_that_names_it(key: str, step: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(pl.DataFrame({"age": [50]}), key="data.train", columns={key: "sex"})
    assert str(caught.value).endswith(f"\n{step}")
