"""Splits, twins and domains of the task `drug_target` on the command line, and what the report says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from medplug.cli import cli
from medplug.plugins.drug_target.sample import sample

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
QUICK = (
    *("backbone.drug.hidden=8", "backbone.drug.bits=64", "backbone.protein.hidden=8", "backbone.protein.k=1"),
    *("fusion.hidden=[8]", "train.members=1", "train.epochs=1", "report.resamples=100", "device=cpu", "output=run"),
)
PAIRS = "data.train=pairs.csv"

pytestmark = pytest.mark.usefixtures("one_thread", "few_trees")
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return lambda *words: CliRunner().invoke(cli, ["run", "task=drug_target", *words, *QUICK])


def pairs(rows: int = 400) -> pl.DataFrame:
    """Pairs of the sample with a fold each."""
    return sample().head(rows).with_columns(fold=pl.int_range(rows) % 5)


def words_of(folder: Path) -> list[str]:
    """Page and card, each on one line."""
    return [" ".join((folder / name).read_text("utf-8").split()) for name in ("report.html", "model_card.md")]


def test_a_cold_split_is_told_with_what_was_left_out(command: Command, tmp_path: Path) -> None:
    pairs().write_csv(tmp_path / "pairs.csv")
    result = command(PAIRS, "data.split=cold_pair", "data.shares=[0.6,0.2,0.2]")
    assert result.exit_code == 0, result.output
    for text in words_of(tmp_path / "run"):
        assert "Split by drug and protein (cold_pair), stratified by the label" in text
        assert "rows left out because their drug and protein fall in different splits" in text
        assert "No test row has the same inputs as a training or validation row." in text
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["without_twins"]
    assert found["same"]["n_twins"] == 0 and "metrics" not in found["same"] and found["near"]["means"]


def test_twins_across_folds_are_counted_and_scores_stand_with_and_without_them(
    command: Command, tmp_path: Path
) -> None:
    table = pairs(300)
    again = table.filter(pl.col("fold") == 1).head(20).with_columns(fold=pl.lit(4, pl.Int64))
    pl.concat([table, again]).write_csv(tmp_path / "pairs.csv")
    result = command(PAIRS, "data.split_column=fold", "data.test_folds=4", "data.validation_folds=[3]")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    same = scores["without_twins"]["same"]
    assert (same["n_twins"], same["n_left"], scores["n"]) == (20, 60, 80)
    assert set(same["metrics"]) == set(scores["metrics"])
    assert same["metrics"]["mse"]["value"] != scores["metrics"]["mse"]["value"]
    low, high = same["metrics"]["mse"]["ci95"]
    assert low < same["metrics"]["mse"]["value"] < high
    for text in words_of(tmp_path / "run"):
        assert "Split by the column fold (test 4, validation 3)" in text
        assert "20 of 80 test rows (25.0 %) have the same inputs as a training or validation row" in text
        assert "without the same (60 rows)" in text
    saved = json.loads((tmp_path / "run" / "model.json").read_text())["task"]["data"]
    assert not {"split", "shares", "test_folds", "validation_folds", "domains"} & set(saved)


def test_a_model_is_adapted_across_clusters(command: Command, tmp_path: Path) -> None:
    table = sample().head(600)
    active = (pl.col("label") > table["label"].median()).cast(pl.Int64).cast(pl.String)
    table.with_columns(label=active).write_csv(tmp_path / "pairs.csv")
    result = command(PAIRS, "data.domains=cluster", "adapter=cdan")
    assert result.exit_code == 0, result.output
    for text in words_of(tmp_path / "run"):
        assert "the domains are made of the rows themselves" in text
        assert "rows of neither the source nor the target sites left out" in text


def test_the_sample_has_domains_without_a_table(command: Command) -> None:
    result = command("data.domains=cluster", "adapter=mmd", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "the built-in sample of drug_target, divided into a source and a target by its own rows" in result.output


def test_rules_are_told_where_one_is_misspelt(command: Command) -> None:
    result = command("data.split=cold_drugs")
    assert result.exit_code == 2
    assert "give random, group, cold_drug, cold_target, cold_pair, scaffold, cluster, or three shares" in result.output
