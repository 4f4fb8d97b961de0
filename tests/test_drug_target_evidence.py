"""What a run of `drug_target` leaves as evidence: trees, and the scores of each drug and each protein."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.plugins.drug_target.sample import sample

pytest.importorskip("rdkit.Chem", reason="rdkit is an extra: pip install 'medplug[chem]'")
pytestmark = pytest.mark.usefixtures("one_thread", "few_trees")
KEYS = {
    **{"backbone.drug.hidden": 8, "backbone.drug.bits": 64, "backbone.protein.hidden": 8, "backbone.protein.k": 1},
    **{"fusion": "concat", "train.members": 1, "train.epochs": 1, "report.resamples": 100, "device": "cpu"},
    **{"data.drug": "drug", "data.split": [0.4, 0.1, 0.5]},
}


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_each_drug_and_protein_is_scored_and_trees_are_told_of(kind: str, tmp_path: Path) -> None:
    table = sample().head(500)
    if kind == "binary":
        table = table.with_columns(label=pl.when(pl.col("label") > 7).then(pl.lit("yes")).otherwise(pl.lit("no")))
    run = medplug.run(**{"task": "drug_target", "data.train": table, "output": tmp_path / "run", **KEYS})
    scores = json.loads((run.folder / "metrics.json").read_text())
    entities, test = pl.read_parquet(run.folder / "by_entity.parquet"), scores["n"]
    assert {"trees", "linear", "majority"} == set(scores["baseline"])
    assert entities.group_by("slot").agg(pl.col("n").sum()).sort("slot").rows() == [("drug", test), ("protein", test)]
    assert entities.columns[5:] == list(scores["metrics"])
    assert set(entities.filter(slot="drug")["entity"]) <= set(table["drug"])
    assert entities.filter(slot="protein")["entity"].str.contains(r"^protein [0-9a-f]{8}$").all()
    first = entities.columns[5]
    proteins = entities.filter(slot="protein").filter(pl.col(first).is_not_null())
    told = scores["by_entity"]["protein"]["metrics"][first]
    assert told["n"] == len(proteins) >= 3 and told["mean"] == pytest.approx(proteins[first].mean())
    page = (run.folder / "report.html").read_text()
    assert "By drug and protein" in page and "Boosted trees read reduced Morgan fingerprints" in page
    assert not any(sequence[:12] in page for sequence in table["sequence"].unique())
    again = run.predictor.evaluate(table)["by_entity"]
    assert again["protein"]["entities"] == table["sequence"].n_unique() and np.isfinite(again["drug"]["scored"])
