"""Real tables, where they are at hand (MEDPLUG_SHARED, by default ../shared): read and split as the documents say."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

import medplug
from medplug.core.config import DataConfig
from medplug.core.data.dataset import load_dataset
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan
from medplug.core.run import make_task

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[2] / "shared") / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder that holds data/"),
]

ABSTRACTS = {
    "data.train": SHARED / "medical_abstracts_test/medical_tc_officialtest_resplit.csv.gz",
    "data.text": "medical_abstract",
    "data.label": "condition_name",
    "data.split_column": "split",
}
CRITERIA = {"data.train": SHARED / "chip2019_ctc_zh/train.csv", "data.test": SHARED / "chip2019_ctc_zh/test.csv"}
EVENTS = {
    "data.train": SHARED / "ade_corpus/ade_sentences.csv.gz",
    "data.text": "sentence",
    "data.split_column": "split",
    "data.group": "pmid",
}


def dataset(keys: dict[str, object]):
    plan = make_plan([("test", {"task": "text_diagnosis", **keys})], Plugins())
    task, _ = make_task(plan)
    data: DataConfig = task.data
    names = {name: "" for name in ("train", "validation", "test")}
    return load_dataset(task, data, by=(), seed=0, sample=False, sha256=names)


def test_medical_abstracts_keep_the_split_of_their_table() -> None:
    found = dataset(ABSTRACTS)
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 1757, "validation": 269, "test": 862}
    assert (found.target.kind, len(found.target.classes)) == ("multiclass", 5)
    assert found.facts.leaks == []


def test_the_criteria_that_stand_in_train_and_test_are_found() -> None:
    found = dataset(CRITERIA)
    leaks = [each for each in found.facts.leaks if (each.first, each.second) == ("train", "test")]
    (leak,) = [each for each in leaks if each.kind == "same text"]
    assert 0 < leak.rows <= 84
    assert len(found.target.classes) == 15


def test_no_abstract_of_the_adverse_events_crosses_splits() -> None:
    found = dataset(EVENTS)
    assert sum(map(len, found.splits.values())) == 20_960 - found.facts.counts["duplicate rows dropped"]
    assert not [leak for leak in found.facts.leaks if leak.kind == "same group"]
    assert found.target.classes == ("0", "1")


def test_chinese_criteria_can_be_learned_from_scratch(tmp_path: Path) -> None:
    rows = pl.read_csv(CRITERIA["data.train"], infer_schema=False)
    common = rows["label"].value_counts().filter(pl.col("count") > 700)["label"].implode()
    few = rows.filter(pl.col("label").is_in(common)).head(1200)
    run = medplug.run(
        task="text_diagnosis",
        backbone="text_cnn",
        data={"train": few},
        train={"epochs": 9},
        report={"resamples": 100, "explain": 0},
        output=tmp_path / "run",
    )
    assert run.metrics["metrics"]["macro_f1"]["value"] > 0.8
