"""FASTA files: a row a record; equal ids and empty records refused by line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from medplug.core.data.problems import Problems
from medplug.core.errors import DataError
from medplug.core.proteins.fasta import table_of_fasta
from medplug.core.proteins.reading import read_sequences

TEXT = """; a comment
>sp|P00001|ONE First protein of all
MKTAY
IAKQR

>two
mkv*
>  three\tdescribed
M
"""


def fasta(folder: Path, text: str | bytes) -> Path:
    path = folder / "targets.fasta"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_each_record_is_a_row(tmp_path: Path) -> None:
    table = table_of_fasta(fasta(tmp_path, TEXT))
    assert table.rows() == [
        ("sp|P00001|ONE", "First protein of all", "MKTAYIAKQR"),
        ("two", None, "mkv*"),
        ("three", "described", "M"),
    ]
    assert table.columns == ["id", "description", "sequence"]
    problems = Problems("targets.fasta")
    assert read_sequences(table, "sequence", problems) == ["MKTAYIAKQR", "MKV", "M"] and not problems.found


def test_packed_files_and_other_line_ends_give_the_same_table(tmp_path: Path) -> None:
    expected = table_of_fasta(fasta(tmp_path, TEXT))
    other = TEXT.replace("\n", "\r\n").encode()
    assert table_of_fasta(fasta(tmp_path, gzip.compress(other, mtime=0))).equals(expected)
    assert table_of_fasta(fasta(tmp_path, b"\xef\xbb\xbf" + other)).equals(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (">one\nMK\n>two\nMK\n>one other\nMKV\n", "line 5: the id is that of line 1"),
        (">one\n\n>two\nMK\n", "line 1: the record has no sequence"),
        (">one\nMK\n>two\n", "line 3: the record has no sequence"),
        (">\nMK\n", "line 1: the header has no id"),
        ("MKSECRET\n>one\nMK\n", "line 1 comes before the first header"),
        ("", "it has no records"),
        ("; nothing\n", "it has no records"),
        (b">one\nMK\xff\n", "UTF-8"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-9], "gzip file is corrupt"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        table_of_fasta(fasta(tmp_path, text), key="data.test")
    assert "data.test" in str(caught.value) and "SECRET" not in str(caught.value)


def test_many_faults_are_told_at_once_but_not_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="29 bad record.*\n(.*\n){20}.*and 9 more"):
        table_of_fasta(fasta(tmp_path, ">one\nMK\n" * 30))


def test_a_missing_file_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.targets .*there is no such file"):
        table_of_fasta(tmp_path / "none.fasta")
