"""What validation rows settle, from the target to metrics.json, model.json and predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.config import SelectionConfig, TrainConfig
from medplug.core.data.targets import Target
from medplug.core.data.trust import Calibration, Conformal
from medplug.core.errors import ConfigError, UsageError
from medplug.core.evaluation.operating import threshold_by
from medplug.core.judging.settling import settled
from medplug.core.target_checks import check_target

SEPSIS = Target("binary", ("no", "yes"))
ROWS = 240


def dataset(target, labels, groups=None):
    validation = SimpleNamespace(groups=groups)
    return SimpleNamespace(target=target, splits={"validation": validation}, labels={"validation": labels})


def rows_of(rows=200, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, rows)
    return labels, (4 * (labels - 0.5) + 4 * draw.normal(size=rows)).astype(np.float32)[:, None]


def test_by_default_decisions_and_probabilities_stay_and_sets_are_given() -> None:
    labels, logits = rows_of()
    target, told = settled(dataset(SEPSIS, labels), logits, SelectionConfig(), 0)
    assert target.plain == SEPSIS and target.conformal is not None and target.conformal.coverage == 0.9
    assert told["recalibration"]["chosen"] == "none" and set(told["recalibration"]["log_loss"]) > {"none"}


def test_what_is_asked_for_is_settled_in_turn() -> None:
    labels, logits = rows_of()
    asked = SelectionConfig(calibration="auto", threshold="sensitivity:0.95", coverage=0.8)
    target, told = settled(dataset(SEPSIS, labels), logits, asked, 0)
    assert target.calibration is not None and told["recalibration"]["chosen"] == target.calibration.method
    chances = target.probabilities(logits)  # the corrected ones: the threshold is theirs
    assert target.threshold == threshold_by("sensitivity:0.95", labels == 1, chances[:, 1])
    assert target.decide(chances)[labels == 1].mean() >= 0.95
    assert np.array_equal(target.decide(chances), (chances[:, 1] >= target.threshold).astype(int))
    assert target.conformal is not None and told["conformal"]["quantile"] == target.conformal.quantile


def test_few_validation_rows_settle_no_sets_and_that_is_told() -> None:
    labels, logits = rows_of(8)
    target, told = settled(dataset(SEPSIS, labels), logits, SelectionConfig(calibration="auto"), 0)
    assert target == SEPSIS and told["recalibration"]["log_loss"] == {}
    assert told["conformal"] == {"coverage": 0.9, "rows": 8, "fewest": 9, "quantile": None}
    assert "conformal" not in settled(dataset(SEPSIS, labels), logits, SelectionConfig(coverage=None), 0)[1]


@pytest.mark.parametrize(
    ("keys", "target", "told"),
    [
        ({"threshold": "f1"}, Target("multiclass", ("a", "b", "c")), "divides rows of two classes"),
        ({"calibration": "platt"}, Target("regression", ("age",)), "corrects probabilities of classes"),
        ({"calibration": "platt"}, Target("choice", ("A", "B")), "use selection.calibration=temperature"),
    ],
)
def test_what_does_not_serve_a_target_is_refused(keys: dict[str, Any], target: Target, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_target([], TrainConfig(), SelectionConfig(**keys), target)


def table() -> pl.DataFrame:
    draw = np.random.default_rng(0)
    ill = draw.random(ROWS) < 0.4
    words = [
        " ".join(draw.choice(["fever", "cold", "rash", "cough"], 6, p=[0.4, 0.2, 0.2, 0.2] if each else [0.25] * 4))
        for each in ill
    ]
    return pl.DataFrame(
        {"text": words, "label": np.where(ill, "yes", "no"), "site": draw.choice(["north", "south"], ROWS)}
    )


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., medplug.Run]:
    """Run on the table above, once for each set of keys."""
    runs: dict[str, medplug.Run] = {}

    def run(**keys: Any) -> medplug.Run:
        if (name := json.dumps(keys)) not in runs:
            data = {"train": table(), "site": "site", "split": [0.4, 0.3, 0.3]}
            keys = {"report": {"resamples": 100}, "train": {"epochs": 1}, **keys}
            output = tmp_path_factory.mktemp("run") / "out"
            runs[name] = medplug.run(
                task="text_diagnosis", backbone="text_cnn", data=data, output=output, device="cpu", **keys
            )
        return runs[name]

    return run


ASKED = {"selection": {"calibration": "platt", "threshold": "f1"}}


def test_a_saved_model_predicts_and_evaluates_as_the_run_did(go: Callable[..., medplug.Run]) -> None:
    run = go(**ASKED)
    loaded = medplug.load(run.folder)
    assert loaded.target == run.predictor.target and loaded.target.calibration is not None
    assert loaded.target.threshold not in (None, 0.5)
    found = loaded.predict(table())
    assert found.equals(run.predict(table())) and found.columns[-2:] == ["set", "abstain"]
    decided = (found["p_yes"] >= loaded.target.threshold).to_numpy()
    assert np.array_equal(found["prediction"].to_numpy() == "yes", decided)
    assert found["abstain"].to_list() == [len(each) != 1 for each in found["set"]]


def test_the_tables_of_a_run_follow_the_threshold(go: Callable[..., medplug.Run]) -> None:
    run = go(**ASKED)
    told = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "test")
    right = float((told["prediction"] == told["truth"]).mean())  # type: ignore[arg-type]
    scores = json.loads((run.folder / "metrics.json").read_text())
    assert scores["metrics"]["accuracy"]["value"] == pytest.approx(right)
    chosen = scores["operating"]["rules"]["f1"]
    assert chosen["threshold"] == medplug.load(run.folder).target.threshold
    assert chosen["sensitivity"]["value"] == pytest.approx(scores["metrics"]["recall"]["value"])
    assert {"before", "after"} == set(scores["recalibration"]["test"])
    assert {"calibration", "utility", "conformal", "heterogeneity"} < set(scores)
    covered = [truth in each for truth, each in zip(told["truth"], told["set"], strict=True)]
    assert scores["conformal"]["covered"]["value"] == pytest.approx(np.mean(covered))


def test_the_baseline_is_not_corrected_by_the_model(go: Callable[..., medplug.Run]) -> None:
    plain, asked = (go(**keys).metrics["baseline"]["linear"] for keys in ({}, ASKED))
    for metric in ("auroc", "brier", "log_loss"):
        assert plain[metric] == asked[metric]
    assert asked["f1"]["value"] != plain["f1"]["value"]  # it decides by the rule, at a threshold of its own


def test_a_model_of_before_is_still_read(go: Callable[..., medplug.Run], tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for file in go(**ASKED).folder.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    told = json.loads((folder / "model.json").read_text())
    for name in ("calibration", "threshold", "conformal"):
        told["target"].pop(name)
    (folder / "model.json").write_text(json.dumps(told))
    found = medplug.load(folder)
    assert found.target == SEPSIS and found.predict(table()[:2]).columns == ["row", "prediction", "p_no", "p_yes"]


def test_a_correction_survives_json() -> None:
    each = Calibration("isotonic", knots=(((0.1, 0.2), (0.9, 0.7)), ((0.0, 0.5),)))
    told = json.loads(
        json.dumps({"method": each.method, "scale": each.scale, "shift": each.shift, "knots": each.knots})
    )
    assert Calibration.from_json(told) == each and Conformal(0.9, 0.3, 20).coverage == 0.9


@pytest.mark.parametrize("rule", ["best", "sensitivity", "sensitivity:2", "specificity:x", "half:0.5"])
def test_a_rule_that_is_none_is_refused_with_those_there_are(rule: str) -> None:
    with pytest.raises(UsageError, match=r"selection.threshold=.*give half, youden, f1, sensitivity:SHARE"):
        medplug.run(task="text_diagnosis", selection={"threshold": rule})


def test_rows_to_evaluate_on_tell_of_calibration_and_coverage(go: Callable[..., medplug.Run]) -> None:
    found = go(**ASKED).predictor.evaluate(table(), resamples=100)
    assert {"slope", "intercept", "ece"} < set(found["calibration"])
    assert set(found["conformal"]["by_class"]) == {"no", "yes"} and set(found["conformal"]["by_group"]) == {"site"}
