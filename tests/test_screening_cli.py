"""``medplug predict RUN LIBRARY --against TARGETS`` as a chemist types it."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

import medplug
from medplug.cli import cli

pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread")

SMILES = [f"{'C' * i}{group}" for i in range(1, 7) for group in ("O", "N", "C(=O)O", "c1ccccc1", "S")]
TINY: dict[str, Any] = {
    "backbone": {"drug": {"hidden": 8, "bits": 64}, "protein": {"hidden": 8, "k": 1}},
    "fusion": {"name": "lowrank", "hidden": 4},
    "train": {"epochs": 1, "members": 1},
    "report": {"resamples": 100},
    "device": "cpu",
}


def sequences() -> list[str]:
    draw = random.Random(0)
    return ["M" + "".join(draw.choices("ACDEFGHIKLMNPQRSTVWY", k=40)) for _ in range(4)]


def trained(folder: Path, seed: int = 0, **keys: Any) -> Path:
    draw = random.Random(1)
    rows = [{"smiles": s, "sequence": p, "label": draw.uniform(4, 9)} for s in SMILES for p in sequences()]
    medplug.run(task="drug_target", data={"train": pl.DataFrame(rows), **keys}, output=folder, seed=seed, **TINY)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "two", seed=1)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    file = tmp_path / "targets.fasta"
    file.write_text("".join(f">T{i} a protein\n{each}\n" for i, each in enumerate(sequences()[:2], 1)))
    return file


@pytest.fixture
def library(tmp_path: Path) -> Path:
    file = tmp_path / "library.csv"
    file.write_text("id,smiles\n" + "".join(f"M{i},{each}\n" for i, each in enumerate(SMILES, 1)))
    return file


def predict(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["predict", *map(str, words)])


def test_a_library_is_ranked_for_each_target_by_what_predict_says(
    run: Path, library: Path, fasta: Path, tmp_path: Path
) -> None:
    output = tmp_path / "ranked.parquet"
    done = predict(run, library, "--against", fasta, "--top", "5", "-o", output)
    assert done.exit_code == 0, done.output
    assert "30 scored, 10 kept" in done.output
    assert "std is the standard deviation over 20 draws of dropout" in done.output
    found = pl.read_parquet(output)
    assert found.columns == ["rank", "protein", "drug", "row", "smiles", "prediction", "std"]
    pairs = pl.read_csv(library).join(pl.DataFrame({"protein": ["T1", "T2"], "sequence": sequences()[:2]}), how="cross")
    scores = pairs.with_columns(medplug.load(run, device="cpu").predict(pairs)["prediction"])
    for name in ("T1", "T2"):
        wanted = scores.filter(pl.col("protein") == name).sort("prediction", descending=True).head(5)
        mine = found.filter(pl.col("protein") == name)
        assert mine["drug"].to_list() == wanted["id"].to_list()
        assert mine["prediction"].to_list() == pytest.approx(wanted["prediction"].to_list(), rel=1e-5)


def test_two_runs_are_an_ensemble(run: Path, another: Path, library: Path, fasta: Path) -> None:
    done = predict(run, library, "--against", fasta, "--with", another, "--top", "1", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "std is the standard deviation over 2 models" in done.output
    same = predict(run, library, "--against", fasta, "--with", run)
    assert same.exit_code == 2 and "an ensemble is made of different runs" in same.output


def test_runs_of_different_units_are_no_ensemble(run: Path, library: Path, fasta: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "nanomolar", unit="nM")
    done = predict(run, library, "--against", fasta, "--with", other)
    assert done.exit_code == 2 and "must predict the same" in done.output


def test_bad_molecules_stop_or_are_set_aside_with_their_rows(run: Path, library: Path, fasta: Path) -> None:
    library.write_text(library.read_text() + "bad,C(C\nempty,\n")
    stopped = predict(run, library, "--against", fasta)
    assert stopped.exit_code == 2 and "row 31, column smiles: it cannot be parsed" in stopped.output
    assert "--on-error skip" in stopped.output and "C(C" not in stopped.output
    skipped = predict(run, library, "--against", fasta, "--on-error", "skip", "--draws", "0")
    assert skipped.exit_code == 0, skipped.output
    assert "2 row(s) set aside:" in skipped.output and "row 32, column smiles: the SMILES is empty" in skipped.output
    assert skipped.stdout.startswith("rank,protein,drug,row,smiles,prediction\n")


def test_libraries_of_other_formats_are_read(run: Path, fasta: Path, tmp_path: Path) -> None:
    from rdkit import Chem

    smi = tmp_path / "library.smi.gz"
    smi.write_bytes(gzip.compress("".join(f"{each} M{i}\n" for i, each in enumerate(SMILES, 1)).encode()))
    sdf = tmp_path / "library.sdf"
    with sdf.open("w") as out:
        for i, each in enumerate(SMILES, 1):
            molecule = Chem.MolFromSmiles(each)
            molecule.SetProp("_Name", f"M{i}")
            out.write(Chem.MolToMolBlock(molecule) + "$$$$\n")
    ranked = [predict(run, each, "--against", fasta, "--lowest", "--draws", "0").stdout for each in (smi, sdf)]
    assert ranked[0] == ranked[1] and len(ranked[0].splitlines()) == 61


def test_targets_with_one_id_or_a_bad_sequence_are_refused(run: Path, library: Path, fasta: Path) -> None:
    fasta.write_text(">T1\nMKV\n>T1\nMKA\n")
    done = predict(run, library, "--against", fasta)
    assert done.exit_code == 2 and "line 3: the id is that of line 1" in done.output
    fasta.write_text(">T1\nMKV\n>T2\nMK4\n")
    done = predict(run, library, "--against", fasta)
    assert done.exit_code == 2 and "row 2, column sequence: 1 of its 3 characters" in done.output


@pytest.mark.parametrize("option", [["--top", "5"], ["--draws", "5"], ["--seed", "1"], ["--lowest"], ["--with", "x"]])
def test_options_of_a_screening_need_what_to_screen_against(run: Path, library: Path, option: list[str]) -> None:
    done = predict(run, library, *option)
    assert done.exit_code == 2 and f"{option[0]} is for a screening" in done.output


def test_calls_that_cannot_be_meant_are_refused(run: Path, library: Path, fasta: Path, tmp_path: Path) -> None:
    done = predict(run, library, "--against", fasta, "--masks", tmp_path / "masks")
    assert done.exit_code == 2 and "--masks is for images" in done.output
    done = predict(run, library, "--against", library)
    assert done.exit_code == 2 and "against" in done.output and "there is no column 'sequence'" in done.output
    done = predict(run, library, "--against", tmp_path / "none.fasta")
    assert done.exit_code == 2 and "there is no such file" in done.output
