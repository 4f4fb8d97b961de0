"""Retrieval from the outside: a run, its index, a new index, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import medplug
from medplug.cli import cli

PARTS = ["fever", "cough", "chest", "pain", "rash", "fracture", "acute", "chronic", "mild", "severe"]


def table(rows: int = 60) -> pl.DataFrame:
    """Questions of two words, and passages that have both."""
    draw = np.random.default_rng(0)
    pairs = [draw.choice(PARTS, 2, replace=False) for _ in range(rows)]
    return pl.DataFrame(
        {
            "question": [f"patient with {a} and {b}" for a, b in pairs],
            "passage": [f"{a} {b} on the patient {number}" for number, (a, b) in enumerate(pairs)],
            "split": [("train", "train", "validation", "test")[number % 4] for number in range(rows)],
        }
    )


Begin = Callable[..., Any]


@pytest.fixture(scope="module")
def begin(tiny_bert: Path) -> Begin:
    """Run retrieval on the small table."""

    def run(output: Path, adapter: str = "finetune", **keys: Any) -> Any:
        data = {"train": table(), "split_column": "split", "split": "random", **keys.pop("data", {})}
        train = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 16, "least_updates": 1}
        common: dict[str, Any] = {"task": "medical_qa", "task.form": "retrieval", "device": "cpu"}
        common |= {"backbone": str(tiny_bert), "report": {"resamples": 100}, "output": output}
        return medplug.run(data=data, adapter=adapter, train=train, **common, **keys)

    return run


@pytest.fixture(scope="module")
def run(begin: Begin, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One finished run."""
    return begin(tmp_path_factory.mktemp("runs") / "run")


def index(folder: Path, corpus: Path, *words: str) -> Any:
    return CliRunner().invoke(cli, ["index", str(folder), str(corpus), "--device", "cpu", *words])


def test_a_run_leaves_an_index_of_all_its_passages_and_says_how_it_stands(run: Any) -> None:
    manifest = json.loads((run.folder / "index" / "index.json").read_text())
    assert manifest["passages"] == run.metrics["passages"] == table()["passage"].n_unique()
    assert set(run.metrics["baseline"]) == {"majority", "bm25"}
    assert set(run.metrics["untrained"]["difference"]) == set(run.metrics["metrics"])
    rows = pl.read_parquet(run.folder / "predictions.parquet")
    assert rows["split"].to_list() == ["validation"] * 15 + ["test"] * 15
    page = (run.folder / "report.html").read_text()
    assert "gain over BM25" in page and "The encoder before and after it was trained" in page


def test_a_saved_run_finds_what_the_run_itself_finds(run: Any) -> None:
    asked = table().select("question").head(5)
    here, saved = run.predict(asked), medplug.load(run.folder, device="cpu").predict(asked)
    assert here.select("row", "rank", "passage").equals(saved.select("row", "rank", "passage"))
    np.testing.assert_allclose(here["score"], saved["score"], atol=1e-6)


def test_the_metrics_of_a_run_are_those_of_its_predictions(run: Any) -> None:
    rows = pl.read_parquet(run.folder / "predictions.parquet").filter(split="test").unique("row")
    first = rows.group_by("row").first()
    asked = table().with_row_index("row", offset=1).select(pl.col("row").cast(pl.Int64), "question")
    ranks = first.join(asked, on="row").unique("question")["rank"]
    assert run.metrics["metrics"]["mrr"]["value"] == pytest.approx((1 / ranks).fill_null(0).mean())


def test_a_new_index_takes_the_place_of_the_old_one(run: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    file = tmp_path / "corpus.jsonl"
    pl.DataFrame({"id": ["x", "y", "z"], "text": ["fever", "cough", "Fever"]}).write_ndjson(file)
    done = index(folder, file, "--passage", "text", "--id", "id")
    assert done.exit_code == 0, done.output
    assert "2 passages in" in done.output and "repeat another's text: 1" in done.output
    found = medplug.load(folder, device="cpu").predict([{"question": "patient with fever"}])
    assert found["passage"].to_list() == ["x", "y"] or found["passage"].to_list() == ["y", "x"]


def test_bad_corpora_are_told_by_row_and_leave_the_index(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "corpus.jsonl"
    before = (run.folder / "index" / "index.json").read_bytes()
    pl.DataFrame({"id": ["x", "x"], "passage": ["fever", " "]}).write_ndjson(file)
    told = index(run.folder, file, "--id", "id").output
    assert "row 2, column id: the id is that of an earlier row" in told
    assert "row 2, column passage: the passage is empty" in told and "fever" not in told
    assert "--passage=body: there is no column 'body'" in index(run.folder, file, "--passage", "body").output
    assert (run.folder / "index" / "index.json").read_bytes() == before


def test_an_encoder_that_stays_as_it_is_is_not_trained_and_refuses_an_index_of_a_trained_one(
    begin: Begin, run: Any, tmp_path: Path
) -> None:
    frozen = begin(tmp_path / "frozen", "frozen")
    assert "untrained" not in frozen.metrics
    assert frozen.metrics["metrics"]["mrr"]["value"] == run.metrics["untrained"]["metrics"]["mrr"]["value"]
    events = [json.loads(line) for line in (frozen.folder / "events.jsonl").read_text().splitlines()]
    assert not [event for event in events if event["event"] == "epoch"]
    shutil.rmtree(frozen.folder / "index")
    shutil.copytree(run.folder / "index", frozen.folder / "index")
    questions = tmp_path / "questions.csv"
    table().select("question").head(2).write_csv(questions)
    done = CliRunner().invoke(cli, ["predict", str(frozen.folder), str(questions), "--device", "cpu"])
    assert done.exit_code != 0 and "built with another encoder" in done.output
    assert "medplug index RUN CORPUS" in done.output


@pytest.mark.parametrize("adapter", ["lora", "gradual", "bottleneck"])
def test_adapters_of_weights_train_an_encoder_that_reads_alike_once_saved(
    begin: Begin, tmp_path: Path, adapter: str
) -> None:
    done = begin(tmp_path / "run", adapter)
    asked = table().select("question").head(3)
    saved = medplug.load(done.folder, device="cpu").predict(asked)
    assert saved["passage"].to_list() == done.predict(asked)["passage"].to_list()


def test_passages_beside_the_rows_and_unlabelled_pairs_are_used(begin: Begin, tmp_path: Path) -> None:
    further = pl.DataFrame({"passage": ["a mild rash with acute pain", "no fracture"]})
    untold = pl.DataFrame({"question": ["fever", "cough", "rash"], "passage": ["the fever", "a cough", "mild rash"]})
    done = begin(tmp_path / "run", data={"corpus": further, "unlabelled": untold})
    assert done.metrics["passages"] == table()["passage"].n_unique() + 2
    assert "3 titles with their passages" in (done.folder / "report.html").read_text()


def test_unlabelled_passages_need_no_titles(begin: Begin, tmp_path: Path) -> None:
    untold = pl.DataFrame({"passage": ["Mild fever. It is acute.", "A cough. It is chronic.", "No rash"]})
    done = begin(tmp_path / "run", data={"unlabelled": untold})
    page = (done.folder / "report.html").read_text()
    assert "2 first sentences with the rest of their passages; 1 rows had too little text" in page
