"""Targets that are learned along, whole: from a table to a report, a saved model and an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.errors import ConfigError, DataError
from medplug.core.grammar import flatten, read_file

pytestmark = pytest.mark.usefixtures("one_thread")

ALSO = {"length.of stay": "regression", "sex": "auto", "signs": "multilabel"}
WAYS: dict[str, dict[str, Any]] = {
    "fitted": {"backbone": "columns", "adapter": "linear_probe"},
    "frozen": {"backbone": "columns", "adapter": "frozen", "train.epochs": 2, "train.learning_rate": 1e-2},
    "trained": {"backbone": "tabular_resnet", "train.epochs": 2, "train.balance": "uncertainty"},
}
Go = Callable[..., Any]


def table(rows: int = 160, seed: int = 0) -> pl.DataFrame:
    """Values that tell a label and, in most rows, three more."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(rows, 3))
    stay = 30 + 10 * values[:, 1] + draw.normal(size=rows)
    gone = draw.random((3, rows)) < 0.3
    signs = ["rash;fever" if each > 0.5 else "rash" if each > -0.5 else "fever" for each in values[:, 2]]
    return pl.DataFrame(
        {
            **{f"lab_{i}": values[:, i] for i in range(3)},
            "label": np.where(values[:, 0] + 0.5 * draw.normal(size=rows) > 0, "ill", "well"),
            "length.of stay": [None if lost else value for lost, value in zip(gone[0], stay.tolist(), strict=True)],
            "sex": [
                None if lost else "F" if each > 0 else "M" for lost, each in zip(gone[1], values[:, 2], strict=True)
            ],
            "signs": [None if lost else each for lost, each in zip(gone[2], signs, strict=True)],
        }
    )


@pytest.fixture
def go(tmp_path: Path) -> Go:
    def run(data: Any = None, name: str = "run", **keys: Any) -> medplug.Run:
        given = {"data.train": table() if data is None else data, "data.tabular": ["lab_*"], "report.resamples": 100}
        return medplug.run(task="multimodal_diagnosis", output=tmp_path / name, **{**given, **keys})

    return run


@pytest.mark.parametrize("way", WAYS)
def test_each_target_is_judged_predicted_and_saved(way: str, go: Go, tmp_path: Path) -> None:
    found = go(**{"data.also": ALSO, **WAYS[way]})
    folder, rows = tmp_path / "run", table(40, seed=1)
    scores = json.loads((folder / "metrics.json").read_text())
    assert list(scores["also"]) == sorted(ALSO)
    kinds = {name: (each["kind"], next(iter(each["metrics"]))) for name, each in scores["also"].items()}
    assert kinds["length.of stay"] == ("regression", "mae")
    assert kinds["sex"] == ("binary", "auroc") and kinds["signs"] == ("multilabel", "auroc")
    for each in scores["also"].values():
        assert 0 < each["n"] < scores["n"]
        assert set(each["baseline"]) == {"majority", "linear"} and set(each["difference"]) == set(each["metrics"])
    if way == "fitted":  # a head of its own on these very columns is the linear baseline
        difference = scores["also"]["length.of stay"]["difference"]["mae"]["value"]
        assert difference == pytest.approx(0, abs=1e-3)
        assert scores["also"]["sex"]["metrics"]["auroc"]["value"] > 0.95

    before = found.predict(rows)
    assert before.schema["also_length.of stay"] == pl.Float64 and before.schema["also_signs"] == pl.List(pl.String)
    assert set(before["also_sex"]) <= {"F", "M"}
    loaded = medplug.load(folder)
    assert loaded.predict(rows).equals(before)
    nothing = pl.DataFrame({f"lab_{i}": [None] for i in range(3)}, schema_overrides={"lab_0": pl.Float64})
    assert loaded.predict(nothing, on_error="skip").schema == before.schema
    evaluated = loaded.evaluate(rows, resamples=100)
    assert evaluated["also"]["sex"]["n"] == rows["sex"].is_not_null().sum()
    assert "also" not in loaded.evaluate(rows.drop(ALSO), resamples=100)  # they need not be there

    test = pl.read_parquet(folder / "predictions.parquet").filter(split="test")
    numbers = loaded.predict(table())
    joined = test.join(numbers, on="row", suffix="_again")
    np.testing.assert_allclose(joined["also_length.of stay"], joined["also_length.of stay_again"], rtol=1e-4)
    assert joined["also_sex"].equals(joined["also_sex_again"])
    report = (folder / "report.html").read_text()
    assert "Learned along" in report
    assert ("learned weights of the losses" in report) is (way == "trained")


def test_without_the_key_nothing_is_told_of_it(go: Go, tmp_path: Path) -> None:
    found = go(**WAYS["fitted"])
    assert "also" not in found.metrics
    assert "Learned along" not in (tmp_path / "run" / "report.html").read_text()
    assert not [name for name in found.predict(table()).columns if name.startswith("also_")]


def test_the_keys_of_a_run_repeat_it_whatever_the_order_of_the_columns(go: Go, tmp_path: Path) -> None:
    first = go(**{"data.also": dict(reversed(ALSO.items())), **WAYS["trained"]})
    again = flatten(read_file(tmp_path / "run" / "config.yaml"))
    again.pop("output"), again.pop("task")
    turned = table().select(*sorted(ALSO, reverse=True), pl.exclude(ALSO))
    second = go(turned, "again", **{**again, "data.train": turned})
    assert second.predict(turned).equals(first.predict(table()))


def test_labels_that_training_lacks_count_as_missing_and_are_counted(go: Go) -> None:
    rows = table().with_columns(
        split=pl.Series(["train"] * 100 + ["validation"] * 30 + ["test"] * 30),
        sex=pl.Series(["F", "M"] * 50 + ["F", "M"] * 15 + ["F", "M", "X"] * 10),
    )
    found = go(rows, **{"data.also": "sex", "data.split_column": "split", **WAYS["fitted"]})
    assert found.metrics["also"]["sex"]["n"] == 20
    report = (found.folder / "report.html").read_text()
    assert "test labels of sex that training lacks, taken as missing" in report
    lost = rows.with_columns(sex=pl.when(pl.col("split") == "validation").then(None).otherwise(pl.col("sex")))
    with pytest.raises(DataError, match=r"data\.also \(sex\): no row of the validation split"):
        go(lost, "lost", **{"data.also": "sex", "data.split_column": "split", **WAYS["fitted"]})


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"data.also": "sex", "data.text": "signs", "fusion": "late", "backbone.text": "text_cnn"}, "fusion=gated"),
        ({"train.balance": "uncertainty"}, "none is named"),
        ({"train.also_weight": 2.0}, "none is named"),
        ({"data.also": "sex", "train.balance": "uncertainty", "train.also_weight": 2.0}, "leave train.also_weight"),
        ({"data.also": {"sex": "survival"}}, "data.also"),
    ],
)
def test_what_does_not_go_together_is_refused(keys: dict[str, Any], match: str, go: Go) -> None:
    with pytest.raises(ConfigError, match=match):
        go(**keys)
