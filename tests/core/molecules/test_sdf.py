"""SDF files: a row a record, broken ones told by their number."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.errors import DataError
from medplug.core.molecules.reading import read_molecules, standardise
from medplug.core.molecules.sdf import stream_sdf, table_of_sdf

Chem = pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
ALANINE = "C[C@H](N)C(=O)O"


def block(smiles: str, title: str = "", *, sanitize: bool = True) -> str:
    molecule = Chem.MolFromSmiles(smiles, sanitize=sanitize)
    molecule.SetProp("_Name", title)
    return str(Chem.MolToMolBlock(molecule, kekulize=sanitize))


def sdf(folder: Path, *records: str, end: str = "$$$$\n") -> Path:
    path = folder / "drugs.sdf"
    path.write_text("".join(record + end for record in records))
    return path


def test_each_record_is_a_row_with_its_title_and_fields(tmp_path: Path) -> None:
    path = sdf(
        tmp_path,
        block("CCO", "ethanol") + "> <pKd>\n7.5\n\n>  <note>  (2)\ntwo\n> <lines>\n\n",
        block(ALANINE) + "> 25 <pKd>\n\n\n",
    )
    assert table_of_sdf(path).to_dict(as_series=False) == {
        "smiles": ["CCO", ALANINE],
        "title": ["ethanol", None],
        "pKd": ["7.5", None],
        "note": ["two\n> <lines>", None],
    }


def test_the_structure_outranks_a_field_called_smiles_and_a_field_called_title_the_first_line(tmp_path: Path) -> None:
    path = sdf(tmp_path, block("CCO", "line") + "> <smiles>\nCCC\n\n> <title>\nfield\n\n")
    assert table_of_sdf(path).rows() == [("CCO", "field")]


@pytest.mark.parametrize("smiles", [ALANINE, "F/C=C/F", "C[N+](C)(C)C", "c1ccc2[nH]ccc2c1", "[13CH4]"])
def test_molecules_go_there_and_back(tmp_path: Path, smiles: str) -> None:
    (found,) = table_of_sdf(sdf(tmp_path, block(smiles)))["smiles"]
    assert standardise(found) == standardise(smiles)


def test_a_file_of_one_molecule_need_not_be_closed_and_may_be_packed(tmp_path: Path) -> None:
    plain = sdf(tmp_path, block("CCO", "one"), end="")
    packed = tmp_path / "drugs.sdf.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes().replace(b"\n", b"\r\n"), mtime=0))
    assert table_of_sdf(plain).equals(table_of_sdf(packed)) and table_of_sdf(plain).rows() == [("CCO", "one")]


def test_version_3000_is_read(tmp_path: Path) -> None:
    assert table_of_sdf(sdf(tmp_path, Chem.MolToV3KMolBlock(Chem.MolFromSmiles("CCO"))))["smiles"].to_list() == ["CCO"]


def test_broken_records_are_rows_with_a_reason_and_the_others_are_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = block("CCO")
    lines = good.splitlines(keepends=True)
    path = sdf(
        tmp_path,
        good,
        "".join(lines[:-2]),
        good.replace(" O ", "secret"),
        block("C(C)(C)(C)(C)C", sanitize=False),
        "\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n",
        "",
        good,
    )
    table, problems = table_of_sdf(path), Problems("drugs.sdf")
    assert table.height == 7
    assert read_molecules(table, "smiles", problems) == ["CCO", None, None, None, None, None, "CCO"]
    told = {problem.row: problem.reason for problem in problems.found}
    for row, word in {2: "cut off", 3: "malformed", 4: "impossible", 5: "no atoms", 6: "cut off"}.items():
        assert word in told[row] and "record" in told[row]
    assert capfd.readouterr() == ("", "") and "secret" not in str(told)


def test_marks_outlive_a_file_of_another_kind(tmp_path: Path) -> None:
    table_of_sdf(sdf(tmp_path, block("CCO"), "cut")).write_parquet(tmp_path / "t.parquet")
    problems = Problems("t")
    read_molecules(pl.read_parquet(tmp_path / "t.parquet"), "smiles", problems)
    assert [problem.row for problem in problems.found] == [2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"smiles,label\nsecret,1\n", "no SDF file"),
        (b"", "no SDF file"),
        (b"\xff\xfe\x00secret", "UTF-8|UTF-16"),
        (gzip.compress(b"secret" * 1000, mtime=0)[:-9], "gzip file is corrupt"),
    ],
)
def test_what_is_no_sdf_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "drugs.sdf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        table_of_sdf(path, key="data.test")
    assert "data.test" in str(caught.value) and "secret" not in str(caught.value)


def test_a_missing_file_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.drugs .*there is no such file"):
        table_of_sdf(tmp_path / "none.sdf")


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_stream_of_records_is_the_table(tmp_path: Path, rows: int) -> None:
    path = sdf(tmp_path, block("CCO", "one"), block("CC", "two"), block("N", "three"))
    found = list(stream_sdf(path, rows, "INPUT"))
    assert max(frame.height for frame in found) <= rows
    assert pl.concat(found).equals(table_of_sdf(path))


def test_a_stream_of_what_is_no_sdf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "drugs.sdf"
    path.write_text("smiles\nCCO\n")
    with pytest.raises(DataError, match="INPUT .*it is no SDF file"):
        list(stream_sdf(path, 2, "INPUT"))
