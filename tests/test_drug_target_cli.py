"""The task `drug_target` on the command line: pairs of drugs and targets, good and bad, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

import medplug
from medplug.cli import cli
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan
from medplug.core.run import make_task
from medplug.plugins.drug_target.sample import sample

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[2] / "shared") / "data"
ROWS = 120
SECRET = "C1CC(secret"
QUICK = (
    *("backbone.drug.hidden=8", "backbone.drug.bits=64", "backbone.protein.hidden=8", "backbone.protein.k=1"),
    *("fusion.hidden=[8]", "train.members=1", "train.epochs=1", "report.resamples=100", "device=cpu"),
)
TABLE = "data.train=pairs.csv"

pytestmark = pytest.mark.usefixtures("one_thread", "few_trees")
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: CliRunner().invoke(cli, list(words))


def pairs(rows: int = ROWS, **cells: dict[int, Any]) -> pl.DataFrame:
    """Pairs of the sample as texts, with cells replaced by their row (first row = 1)."""
    table = sample().head(rows).cast(pl.String)
    for name, changed in cells.items():
        column = table[name].to_list()
        for row, value in changed.items():
            column[row - 1] = value
        table = table.with_columns(pl.Series(name, column))
    return table


def run(*words: str) -> tuple[str, ...]:
    return ("run", "task=drug_target", *words, *QUICK)


def assert_told(result: Result, *words: str) -> None:
    """One screen that names the thing and the next step, exit code 2, no traceback, no content of cells."""
    assert result.exit_code == 2, result.output
    for word in words:
        assert word in result.output, result.output
    assert len(result.output.splitlines()) <= 24
    assert "Traceback" not in result.output and "secret" not in result.output


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- a run and what follows


def test_a_table_of_pairs_is_run_predicted_with_names_and_evaluated(command: Command, tmp_path: Path) -> None:
    pairs().write_csv(tmp_path / "pairs.csv")
    words = ("data.drug=drug", "data.target=target", "fusion.modality_dropout=0.3", "output=run")
    result = command(*run(TABLE, *words))
    assert result.exit_code == 0, result.output
    assert "what each modality adds to mse: drug " in result.output
    pairs(3).drop("label").write_csv(tmp_path / "new.csv")
    found = command("predict", "run", "new.csv", "-o", "found.csv", "--device", "cpu")
    assert found.exit_code == 0, found.output
    told = pl.read_csv(tmp_path / "found.csv")
    assert told.columns == ["row", "name", "prediction", "low", "high"]
    assert told["name"][0] == " / ".join(pairs(1).select("drug", "target").row(0))
    pairs(3).select("sequence", "smiles").write_csv(tmp_path / "plain.csv")
    again = command("predict", "run", "plain.csv", "-o", "plain_found.csv", "--device", "cpu")
    assert again.exit_code == 0, again.output
    assert pl.read_csv(tmp_path / "plain_found.csv")["prediction"].to_list() == told["prediction"].to_list()
    judged = command("evaluate", "run", "pairs.csv", "--device", "cpu")
    assert judged.exit_code == 0 and "c_index" in judged.output


def test_pairs_of_ids_are_looked_up_and_a_loaded_model_needs_no_such_tables(command: Command, tmp_path: Path) -> None:
    table = pairs()
    table.select("drug", "target", "label").write_csv(tmp_path / "pairs.csv")
    table.select("drug", "smiles").unique(maintain_order=True).write_csv(tmp_path / "drugs.csv")
    targets = table.select("target", "sequence").unique(maintain_order=True)
    fasta = "".join(f">{name.replace(' ', '_')}\n{sequence}\n" for name, sequence in targets.rows())
    (tmp_path / "targets.fasta").write_text(fasta)
    table.select("drug", pl.col("target").str.replace(" ", "_"), "label").write_csv(tmp_path / "pairs.csv")
    words = ("data.drugs=drugs.csv", "data.targets=targets.fasta")
    result = command(*run(TABLE, *words, "output=run"))
    assert result.exit_code == 0, result.output
    by_ids = medplug.load(tmp_path / "run", device="cpu").predict(tmp_path / "pairs.csv")
    assert by_ids["name"][0] == " / ".join(pairs(1).select("drug", pl.col("target").str.replace(" ", "_")).row(0))
    (tmp_path / "drugs.csv").unlink()
    (tmp_path / "targets.fasta").unlink()
    loaded = medplug.load(tmp_path / "run", device="cpu")
    plain = loaded.predict(table.select("smiles", "sequence"))
    assert plain["prediction"].to_list() == pytest.approx(by_ids["prediction"].to_list(), abs=1e-5)
    told = command("predict", "run", "pairs.csv", "--device", "cpu")
    assert_told(told, "INPUT names drugs by ids", "drugs.csv", "give INPUT the column 'smiles'")


def test_concentrations_are_learned_as_negative_logarithms(command: Command, tmp_path: Path) -> None:
    nanomolar = pairs().with_columns(label=(10 ** (9 - pl.col("label").cast(pl.Float64))).cast(pl.String))
    for name, table, words in (("ready", pairs(), ()), ("unit", nanomolar, ("data.unit=nM",))):
        table.write_csv(tmp_path / "pairs.csv")
        assert command(*run(TABLE, *words, f"output={name}")).exit_code == 0
    told = [pl.read_parquet(tmp_path / name / "predictions.parquet") for name in ("ready", "unit")]
    assert told[0]["prediction"].to_list() == pytest.approx(told[1]["prediction"].to_list(), abs=1e-4)
    target = json.loads((tmp_path / "unit" / "model.json").read_text())["target"]
    assert target["classes"] == ["-log10 label (mol/l)"] and 4 < target["centre"] < 9


def test_two_classes_are_an_interaction(command: Command, tmp_path: Path) -> None:
    column = pl.when(pl.col("label").cast(pl.Float64) > 6.5).then(pl.lit("active")).otherwise(pl.lit("inactive"))
    pairs().with_columns(label=column).write_csv(tmp_path / "pairs.csv")
    result = command(*run(TABLE, "output=run"))
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert next(iter(scores["metrics"])) == "auroc"
    assert "p_active" in pl.read_parquet(tmp_path / "run" / "predictions.parquet").columns


def test_an_ensemble_tells_how_far_its_members_are_apart_of_rows_and_of_a_library(
    command: Command, tmp_path: Path
) -> None:
    table = pairs()
    table.write_csv(tmp_path / "pairs.csv")
    words = [word.replace("members=1", "members=2") for word in run(TABLE, "output=run")]
    result = command(*words)
    assert result.exit_code == 0, result.output
    found = command("predict", "run", "pairs.csv", "-o", "found.csv", "--device", "cpu")
    assert found.exit_code == 0, found.output
    told = pl.read_csv(tmp_path / "found.csv")
    assert told.columns == ["row", "prediction", "low", "high", "std"] and told["std"].min() > 0  # type: ignore[operator]
    table.select("smiles").unique(maintain_order=True).write_csv(tmp_path / "library.csv")
    (tmp_path / "targets.fasta").write_text(f">first\n{table['sequence'][0]}\n")
    ranked = command("predict", "run", "library.csv", "--against", "targets.fasta", "-o", "ranked.csv")
    assert ranked.exit_code == 0, ranked.output
    assert "std is the standard deviation over 2 models" in ranked.output
    best = pl.read_csv(tmp_path / "ranked.csv")
    own = best.filter(row=1)
    for name in ("prediction", "std"):
        assert own[name][0] == pytest.approx(told[name][0], abs=1e-5)


# ---- bad input


BAD: dict[str, tuple[str, Any, str]] = {
    "an unparsable SMILES": ("smiles", SECRET, "row 8, column smiles: it cannot be parsed as SMILES"),
    "an impossible molecule": ("smiles", "C(C)(C)(C)(C)C", "row 8, column smiles: atom 1 of it has more bonds"),
    "no SMILES": ("smiles", None, "row 8, column smiles: the SMILES is empty"),
    "an empty sequence": ("sequence", "  ", "row 8, column sequence: the sequence is empty"),
    "a sequence of DNA": ("sequence", "ACGT" * 20, "row 8, column sequence: it is made of A, C, G, T, U and N alone"),
    "a sequence beyond all proteins": ("sequence", "MK" * 20_001, "row 8, column sequence: it has 40002 residues"),
    "a negative Kd": ("label", "-3", "row 8, column label: the concentration (data.unit=nM) is not above 0"),
    "a Kd of zero": ("label", "0", "row 8, column label: the concentration (data.unit=nM) is not above 0"),
    "a bound": ("label", ">10000", "row 8, column label: the cell gives a bound"),
    "no label": ("label", None, "row 8, column label: the label is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_told_by_row_column_and_reason_and_nothing_is_left_behind(
    command: Command, tmp_path: Path, what: str
) -> None:
    column, cell, reason = BAD[what]
    pairs(30, **{column: {8: cell}}).write_csv(tmp_path / "pairs.csv")
    assert_told(command(*run(TABLE, "data.unit=nM")), "pairs.csv: 1 bad row(s)", reason, "data.on_error=skip")
    assert names(tmp_path) == {"pairs.csv"}


def test_bad_rows_are_set_aside_and_counted(command: Command, tmp_path: Path) -> None:
    table = pairs(smiles={2: SECRET}, sequence={3: None}, label={4: ">7"})
    table.write_csv(tmp_path / "pairs.csv")
    result = command(*run(TABLE, "data.on_error=skip", "output=run"))
    assert result.exit_code == 0, result.output
    rejected = pl.read_parquet(tmp_path / "run" / "rejected.parquet")
    assert rejected.select("row", "column").rows() == [(2, "smiles"), (3, "sequence"), (4, "label")]
    report = (tmp_path / "run" / "report.html").read_text()
    assert "3 rows were set aside" in report and "secret" not in report
    table.head(3).write_csv(tmp_path / "new.csv")
    told = command("predict", "run", "new.csv", "--device", "cpu")
    assert_told(told, "2 bad row(s)", "row 2, column smiles", "row 3, column sequence", "--on-error skip")
    found = command("predict", "run", "new.csv", "--on-error", "skip", "-o", "f.csv", "--device", "cpu")
    assert found.exit_code == 0 and pl.read_csv(tmp_path / "f.csv")["row"].to_list() == [1]


def test_a_sequence_as_long_as_titin_is_read_and_its_cut_end_is_told_of(command: Command, tmp_path: Path) -> None:
    pairs(60, sequence={row: "MKKFFDSRRE" * 3_500 for row in range(1, 61, 2)}).write_csv(tmp_path / "pairs.csv")
    cnn = ("backbone.protein=sequence_cnn", "backbone.protein.filters=[4,4,4]", "backbone.protein.embedding=4")
    kept = [word for word in QUICK if "protein" not in word]
    result = command("run", "task=drug_target", TABLE, *cnn, *kept, "output=run")
    assert result.exit_code == 0, result.output
    report = (tmp_path / "run" / "report.html").read_text()
    assert re.search(r"In train: \d+ rows longer than the window of 1200 characters \(protein\)", report)


def test_a_pair_with_two_labels_is_averaged_and_counted_or_refused(command: Command, tmp_path: Path) -> None:
    twice = pl.concat([pairs(), pairs(2).with_columns(label=pl.lit("4.0"))])
    twice.write_csv(tmp_path / "pairs.csv")
    told = command(*run(TABLE, "data.duplicates=refuse"))
    assert_told(told, "4 bad row(s)", f"row 1, column label: row {ROWS + 1} has the same drug and target")
    assert names(tmp_path) == {"pairs.csv"}
    columns = twice.with_columns(split=pl.Series(["train"] * 80 + ["val"] * 20 + ["test"] * 20 + ["train"] * 2))
    columns.write_csv(tmp_path / "pairs.csv")
    result = command(*run(TABLE, "data.split_column=split", "output=run"))
    assert result.exit_code == 0, result.output
    assert "2 pairs of several labels, averaged" in (tmp_path / "run" / "report.html").read_text()


def written(folder: Path) -> None:
    """Pairs of ids, with a table of drugs and a FASTA file of targets."""
    table = pairs(40).with_columns(pl.col("drug", "target").str.replace(" ", "_"))
    table.select("drug", "target", "label").write_csv(folder / "pairs.csv")
    drugs, targets = (
        table.select(names).unique(maintain_order=True) for names in (("drug", "smiles"), ("target", "sequence"))
    )
    drugs.write_csv(folder / "drugs.csv")
    (folder / "t.fasta").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in targets.rows()))


def test_a_fasta_file_with_two_equal_ids_is_told_by_its_lines(command: Command, tmp_path: Path) -> None:
    written(tmp_path)
    with (tmp_path / "t.fasta").open("a") as file:
        file.write(">protein_1\nMKKFFDSRREQGG\n>protein_1\nMKKFFDSRREQGG\n")
    kept = names(tmp_path)
    told = command(*run(TABLE, "data.drugs=drugs.csv", "data.targets=t.fasta"))
    assert_told(told, "data.targets (t.fasta)", "the id is that of line", "an id of its own")
    assert names(tmp_path) == kept


def test_an_sdf_file_with_a_broken_record_is_told_by_the_record(command: Command, tmp_path: Path) -> None:
    from rdkit import Chem

    written(tmp_path)
    drugs = pl.read_csv(tmp_path / "drugs.csv").rows()
    records = [f"{name}{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}$$$$\n" for name, smiles in drugs]
    half = records[2].splitlines(keepends=True)
    (tmp_path / "drugs.sdf").write_text("".join([*records[:2], *half[: len(half) // 2], "$$$$\n", *records[3:]]))
    kept = names(tmp_path)
    told = command(*run(TABLE, "data.drugs=drugs.sdf", "data.targets=t.fasta"))
    assert_told(told, "data.drugs (drugs.sdf): 1 bad row(s)", "row 3, column smiles: this record of the SDF file is")
    assert names(tmp_path) == kept
    result = command(*run(TABLE, "data.drugs=drugs.sdf", "data.targets=t.fasta", "data.on_error=skip", "output=run"))
    assert result.exit_code == 0, result.output
    told_of = pl.read_parquet(tmp_path / "run" / "rejected.parquet")
    assert set(told_of["column"]) == {"drug"} and "row 3 of data.drugs (drugs.sdf)" in told_of["reason"][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("data.smiles=SMILES",),
            ("data.smiles=SMILES: there is no column 'SMILES'; did you mean smiles?", "data.smiles=COLUMN"),
        ),
        (("data.unit=mg",), ("data.unit=mg", "'nM'")),
        (("data.drugs=nowhere.sdf",), ("data.drugs (nowhere.sdf): there is no such file",)),
        (("data.label=smiles",), ("data.smiles and data.label name the same column 'smiles'",)),
        (("task.target=binary",), ("task.target=binary", "classes")),
        (("task.target=binary", "data.unit=nM"), ("data.unit is the unit of a number",)),
        (("task.positive=1",), ("task.positive is for a binary target",)),
        (("data.label=target",), ("most of which are no numbers", "is data.label the right column?")),
        (("backbone=ecfp",), ("this run has drug and protein", "backbone.drug=ecfp or backbone.protein=ecfp")),
        (("data.split=cold",), ("data.split=cold", "cold_target")),
    ],
)
def test_a_wrong_key_is_told_with_what_would_be_right(
    command: Command, tmp_path: Path, words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    pairs(30).write_csv(tmp_path / "pairs.csv")
    assert_told(command(*run(TABLE, *words)), *told)
    assert names(tmp_path) == {"pairs.csv"}


@pytest.mark.parametrize("words", [(), ("data.train=nowhere.csv",)])
def test_without_rdkit_the_extra_is_told_before_anything_is_read(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    assert_told(command(*run(*words)), "pip install 'medplug[chem]'")
    assert names(tmp_path) == set()
    assert command("show", "drug_target").exit_code == 0
    assert command(*run("--dry-run")).exit_code == 0


# ---- with nothing given, and a benchmark's table


def test_with_no_arguments_the_sample_is_learned_and_is_called_generated(command: Command, tmp_path: Path) -> None:
    words = ("output=run", "train.members=1", "train.epochs=12", "report.resamples=100", "device=cpu")
    result = command("run", "task=drug_target", *words)
    assert result.exit_code == 0, result.output
    assert "the built-in sample: generated molecules and sequences with an invented affinity" in result.output
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert scores["metrics"]["mse"]["value"] < 0.75 * scores["baseline"]["linear"]["mse"]["value"]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/")
def test_davis_has_the_rows_drugs_and_sequences_that_its_source_tells() -> None:
    file = SHARED / "dti_davis/davis.csv.gz"
    keys = {"task": "drug_target", "data.train": file, "data.label": "affinity", "data.target": "protein_id"}
    task, _ = make_task(make_plan([("test", keys)], Plugins(found=())))
    from medplug.core.data.reading import open_table, read_examples

    table, folder = open_table(task, file, key="data.train", columns=task.columns(labelled=True))
    found, problems = read_examples(task, task.data, table, "davis", labelled=True, folder=folder)
    assert (len(found), problems.found) == (30_056, [])
    assert (len(set(found.inputs["drug"])), len(set(found.inputs["protein"]))) == (68, 379)
    assert found.names is not None and len(set(found.names)) == 442
    tidy, counts = task.tidy(found)
    assert len(tidy) == 68 * 379 and sum(counts.values()) > 0
