"""Comparing runs on the command line: real runs, whose folders and numbers are the ones that a user has."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

import medplug
from medplug.cli import cli

SECRET = "Jane-Roe-1962"


def compare(*words: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, words)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs on the same rows, of a CNN and of the same one that hardly learns."""
    folder, draws = tmp_path_factory.mktemp("runs"), random.Random(1)
    ill = [draws.random() < 0.5 for _ in range(180)]
    said = ["cough and fever" if each ^ (draws.random() < 0.2) else "a broken wrist" for each in ill]
    table = pl.DataFrame(
        {
            "text": [f"{SECRET} note {i} with {words}" for i, words in enumerate(said)],
            "label": ["ill" if each else "well" for each in ill],
            "patient": [f"{SECRET} {i // 2}" for i in range(180)],
        }
    )
    table.write_csv(folder / "notes.csv")
    for name, rate in (("cnn", 1e-2), ("idle", 1e-4)):
        medplug.run(
            task="text_diagnosis", backbone="text_cnn", device="cpu", output=folder / name,
            data={"train": str(folder / "notes.csv"), "group": "patient"},
            train={"epochs": 2, "learning_rate": rate}, report={"resamples": 1000},
        )  # fmt: skip
    return folder


def test_each_run_has_the_scores_that_it_told_itself(runs: Path, tmp_path: Path) -> None:
    said = compare(runs / "idle", runs / "cnn", "-o", tmp_path / "page.html", "--json", tmp_path / "told.json")
    assert said.exit_code == 0, said.output
    told = json.loads((tmp_path / "told.json").read_text())
    for name in ("idle", "cnn"):
        own = json.loads((runs / name / "metrics.json").read_text())["metrics"]
        for metric, found in told["runs"][name]["metrics"].items():
            assert found["value"] == pytest.approx(own[metric]["value"]), metric
            assert found["ci95"] == pytest.approx(own[metric]["ci95"]), metric
    assert told["keys"] == {"train.learning_rate": {"idle": 1e-4, "cnn": 1e-2}}
    cost = told["runs"]["cnn"]["costs"]
    assert cost["parameters"]["trained"] == cost["parameters"]["total"] > 1000
    assert cost["peak_memory_mib"]["process"] > 50 and cost["seconds"]["learning"] <= cost["seconds"]["all"]


def test_one_screen_tells_how_they_stand_and_names_no_patient(runs: Path, tmp_path: Path) -> None:
    said = compare(runs / "idle", runs / "cnn", "-o", tmp_path / "page.html").output
    for words in (
        "2 runs on 36 shared test rows of 18 groups",
        "gain over idle",
        "train.learning_rate",
        "choose by valid",
    ):
        assert words in said
    assert len(said.splitlines()) <= 24 and SECRET not in said
    assert SECRET not in (tmp_path / "page.html").read_text()


def test_predictions_number_patients_and_do_not_name_them(runs: Path) -> None:
    file = runs / "cnn" / "predictions.parquet"
    rows, table = pl.read_parquet(file), pl.read_csv(runs / "notes.csv")
    patients = table["patient"].gather(rows["row"] - 1)
    assert rows.columns[:3] == ["split", "row", "group"] and SECRET.encode() not in file.read_bytes()
    pairs = set(zip(patients, rows["group"], strict=True))
    assert len(pairs) == rows["group"].n_unique() == patients.n_unique()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cnn"], "two runs or more"),
        (["cnn", "cnn"], "given twice"),
        (["cnn", "nowhere"], "does not exist"),
        (["cnn", "notes.csv"], "is a file"),
        ([], "got none"),
    ],
)
def test_mistakes_are_told_on_one_line_with_exit_code_2(words: list[str], told: str, runs: Path) -> None:
    said = compare(*(runs / word for word in words))
    assert said.exit_code == 2 and told in said.output and "Traceback" not in said.output


def test_help_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: Callable[[str], bool] = compare("--help").output.__contains__
    assert said("RUN RUN...") and said("--json") and said("paired differences")
