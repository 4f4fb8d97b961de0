"""Treatments, whole: from a table to advice, a report with its warning, a saved model and an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.errors import ConfigError, DataError, RowsError
from medplug.core.terminal import show_scores
from medplug.plugins.adapters import medplug_adapters

Go = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_thread")


def table(rows: int = 700, seed: int = 0) -> pl.DataFrame:
    """Severity moves the choice of the drug and the score; age decides whom it helps; on average it adds nothing."""
    rng = np.random.default_rng(seed)
    severity, age = rng.normal(size=(2, rows))
    drug = rng.random(rows) < 1 / (1 + np.exp(-1.2 * severity))
    score = 50 + 6 * severity + 4 * age * drug + rng.normal(size=rows)
    return pl.DataFrame({"severity": severity, "age": age, "arm": np.where(drug, "drug", "placebo"), "score": score})


def three(rows: int = 240, seed: int = 0) -> pl.DataFrame:
    """Three arms at random, of which the kind of a patient tells the only one that cures."""
    rng = np.random.default_rng(seed)
    kind, arm = rng.integers(0, 3, rows), rng.integers(0, 3, rows)
    cured = rng.random(rows) < np.where(kind == arm, 0.9, 0.1)
    return pl.DataFrame(
        {
            "kind": np.array(["k0", "k1", "k2"])[kind],
            "noise": rng.normal(size=rows),
            "arm": arm,
            "end": np.where(cured, "cured", "ill"),
        }
    )


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    def run(data: dict[str, Any], adapter: str = "linear_probe", **keys: Any) -> Any:
        keys = {"backbone": "columns", "device": "cpu", "report": {"resamples": 100}, **keys}
        output = tmp_path_factory.mktemp("runs") / "run"
        return medplug.run(task="multimodal_diagnosis", data=data, adapter=adapter, output=output, **keys)

    return run


NUMBER: dict[str, Any] = {"tabular": ["severity", "age"], "treatment": "arm", "label": "score"}
CLASS: dict[str, Any] = {"tabular": ["kind", "noise"], "treatment": "arm", "label": "end"}


@pytest.fixture(scope="module")
def finished(go: Go) -> Any:
    return go({"train": table(), **NUMBER}, **{"task.better": "higher"})


def metrics(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "metrics.json").read_text())
    return found


def test_advice_comes_back_from_the_folder_as_it_was(finished: Any) -> None:
    rows = table(80, seed=1)
    here = finished.predict(rows)
    assert here.columns == ["row", "prediction", "y_placebo", "y_drug", "e_placebo", "e_drug", "effect"]
    assert medplug.load(finished.folder, device="cpu").predict(rows).equals(here)
    np.testing.assert_allclose(here["effect"], here["y_drug"] - here["y_placebo"])
    assert ((here["prediction"] == "drug") == (here["effect"] > 0)).all()
    np.testing.assert_allclose(here["effect"], 4 * rows["age"], atol=1.5)
    np.testing.assert_allclose(here["e_drug"], 1 / (1 + np.exp(-1.2 * rows["severity"])), atol=0.15)
    written = pl.read_parquet(finished.folder / "predictions.parquet")
    assert written.columns == ["split", "row", "treatment", "truth", *here.columns[1:]]
    at = (written["row"] - 1).to_list()
    assert written["truth"].to_list() == table()["score"][at].to_list()
    described = json.loads((finished.folder / "model.json").read_text())
    assert described["target"]["outcomes"] == ["score"] and described["task"]["learned"]["outcome"] == "regression"


def test_confounding_is_adjusted_for_and_advice_beats_one_arm_for_all(finished: Any) -> None:
    scores = metrics(finished)
    assert list(scores["metrics"]) == ["factual_loss", "factual_mae", "propensity_loss", "policy_gain"]
    assert scores["selection"]["metric"] == "factual_loss" and scores["by_class"] == {}
    found = scores["treatment"]
    effect, raw = (found["effects"]["drug"][name] for name in ("effect", "raw_difference"))
    assert effect["ci95"][0] < 0 < effect["ci95"][1] and raw["ci95"][0] > 2
    assert found["gain"]["over_best_single_arm"]["ci95"][0] > 0.5
    assert scores["baseline"]["majority"]["policy_gain"]["value"] <= 0
    assert set(found["policies"]) == {"advised", "all placebo", "all drug", "as seen"}


def test_the_report_the_card_and_the_command_line_say_what_the_numbers_are_not(
    finished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("report.html", "model_card.md"):
        page = (finished.folder / name).read_text("utf-8")
        assert "Decision support from observational data" in page and "Overlap of the arms" in page
        for assumption in ("No unmeasured confounding", "Consistency", "Overlap: every kind of patient"):
            assert assumption in page
        assert "treatment and outcome" in page and "majority" not in page and "confusion" not in page
    report = (finished.folder / "report.html").read_text("utf-8")
    assert 'id="figure-policies"' in report and 'id="figure-overlap"' in report
    show_scores(metrics(finished))
    shown = capsys.readouterr().out
    assert "Decision support from observational data" in shown and "outcome score by policy (higher is better)" in shown


def test_a_loaded_model_judges_its_advice_on_other_rows(finished: Any) -> None:
    loaded = medplug.load(finished.folder, device="cpu")
    found = loaded.evaluate(table(300, seed=9), resamples=50)
    assert found["n"] == 300 and found["treatment"]["gain"]["over_best_single_arm"]["value"] > 0.5
    with pytest.raises(DataError, match="it knows: placebo, drug"):
        loaded.evaluate({"severity": [1.0], "age": [0.0], "arm": ["surgery"], "score": [123.456]})
    with pytest.raises(RowsError, match="column score: the cell is not a number") as told:
        loaded.evaluate({"severity": [1.0], "age": [0.0], "arm": ["drug"], "score": ["well"]})
    assert "well" not in str(told.value)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_three_arms_and_a_binary_outcome_are_advised_by_what_is_wanted(better: str, go: Go) -> None:
    run = go({"train": three(), **CLASS}, **{"task.better": better, "task.positive": "cured"})
    rows = pl.DataFrame({"kind": ["k0", "k1", "k2"], "noise": [0.0, 0.0, 0.0]})
    advice = run.predict(rows)
    assert {"y_0", "y_1", "y_2", "e_0", "e_1", "e_2"} < set(advice.columns) and "effect" not in advice.columns
    own = [name == f"{i}" for i, name in enumerate(advice["prediction"])]
    assert all(own) if better == "higher" else not any(own)
    found = metrics(run)
    assert list(found["metrics"])[:2] == ["factual_loss", "factual_auroc"]
    assert found["treatment"]["gain"]["over_best_single_arm"]["value"] > (0.2 if better == "higher" else 0)
    assert found["treatment"]["outcome"] == "cured" and set(found["treatment"]["effects"]) == {"1", "2"}


def test_heads_over_a_shared_network_are_trained_by_gradient(go: Go) -> None:
    keys = {"backbone": "tabular_resnet", "train": {"epochs": 8, "learning_rate": 3e-3, "batch_size": 32}}
    run = go({"train": three(400), **CLASS}, "finetune", **keys, **{"task.better": "higher"})
    rows = three(30, seed=1)
    assert medplug.load(run.folder, device="cpu").predict(rows).equals(run.predict(rows))
    found = metrics(run)
    assert found["metrics"]["factual_loss"]["value"] < found["baseline"]["majority"]["factual_loss"]["value"] - 0.05
    history = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    assert any("factual_loss" in each for each in history)


def test_several_modalities_a_limit_and_a_refit_go_with_it(go: Go) -> None:
    data = {**NUMBER, "tabular": ["severity"], "genes": ["age"], "train": table(300), "limit": 60}
    keys = {"backbone": {"tabular": "columns", "genes": "columns"}, "fusion": "concat", "task.better": "lower"}
    run = go(data, **keys, **{"adapter.linear_probe.refit": True})
    scores = metrics(run)
    assert scores["by_modality"]["metric"] == "factual_loss" and len(scores["by_modality"]["subsets"]) == 3
    manifest = (run.folder / "model_card.md").read_text("utf-8")
    assert "60 (50.0 %)" in manifest and "fitted again on" in manifest


@pytest.mark.parametrize(
    ("data", "keys", "word"),
    [
        ({}, {}, "task.better is not given: say which values of the outcome score are wanted"),
        ({"treatment": None}, {"task.target": "treatment"}, "needs data.treatment=COLUMN"),
        ({"treatment": None}, {"task.better": "higher"}, "task.better is about the outcome of a treatment"),
        ({}, {"task.target": "regression"}, "data.treatment is for task.target=treatment"),
        ({"label": ["score", "age"]}, {"task.better": "higher"}, "one column data.label"),
        ({"label": "arm"}, {"task.better": "higher"}, "name the same column"),
        ({"tabular": ["arm"]}, {"task.better": "higher"}, "names 'arm', which is what is predicted"),
        ({}, {"task.better": "higher", "train.class_weights": "balanced"}, "balanced weighs classes, and a treatment"),
        ({}, {"task.better": "higher", "train.label_smoothing": 0.1}, "spreads a label over classes"),
        ({}, {"task.better": "higher", "selection.metric": "mae"}, "a treatment target has factual_loss"),
        ({}, {"task.better": "higher", "task.outcome": "binary"}, "the outcome score has 60 classes"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(
    data: dict[str, Any], keys: dict[str, Any], word: str, go: Go
) -> None:
    given = {"train": table(60), **NUMBER, **data}
    with pytest.raises((ConfigError, DataError), match=word):
        go({name: value for name, value in given.items() if value is not None}, **keys)


def test_rows_that_are_alike_all_count(go: Go) -> None:
    rows = pl.DataFrame({"sex": [0, 1] * 120, "arm": ["a", "a", "b"] * 80, "end": ["1", "0", "0", "1", "1"] * 48})
    data = {"train": rows, "tabular": ["sex"], "categorical": ["sex"], "treatment": "arm", "label": "end"}
    card = (go(data, **{"task.better": "lower"}).folder / "model_card.md").read_text("utf-8")
    assert "| train | 168 |" in card and "duplicate rows dropped" not in card


def test_adapters_that_compare_classes_refuse_it(go: Go) -> None:
    serving = {spec.name for spec in medplug_adapters() if "treatment" in spec.targets}
    assert serving == {spec.name for spec in medplug_adapters() if "survival" in spec.targets}
    with pytest.raises(ConfigError, match="adapter=prototypes serves binary.*this one is treatment"):
        go({"train": table(60), **NUMBER}, "prototypes", **{"task.better": "higher"})


def test_a_criterion_without_labels_is_refused(go: Go, tmp_path: Path) -> None:
    data = {"source": table(60), "unlabelled": table(30, seed=1), "test": table(30, seed=2), **NUMBER}
    keys = {"backbone": "tabular_resnet", "task.better": "higher", "selection.criterion": "snd"}
    with pytest.raises(ConfigError, match="criterion=snd judges a prediction a row, and a treatment is chosen"):
        go(data, "finetune+mmd", **keys)


def test_every_other_column_leaves_out_the_treatment_and_its_outcome(go: Go) -> None:
    run = go({"train": table(60), **NUMBER, "tabular": ["*"]}, **{"task.better": "higher"})
    described = json.loads((run.folder / "model.json").read_text())
    assert described["task"]["learned"]["tables"]["tabular"] == [["severity", "age"], []]
