"""Models of one design from different seeds predict as one, and how far they are apart is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug.core.ensemble import Ensemble, averaged
from medplug.core.errors import ConfigError

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"backbone.hidden": 8, "backbone.blocks": 1, "train.epochs": 2, "train.batch_size": 16, "report.resamples": 100}
KINDS = ["binary", "multiclass", "regression"]


def rows(kind: str, n: int = 90, seed: int = 0) -> pl.DataFrame:
    """Three values, and a label that two of them tell."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(n, 3))
    score = values[:, 0] - values[:, 1] + 0.5 * draw.normal(size=n)
    label: list[Any] = {
        "binary": ["yes" if each > 0 else "no" for each in score],
        "multiclass": ["low" if each < -0.5 else "mid" if each < 0.5 else "high" for each in score],
        "regression": score.tolist(),
    }[kind]
    return pl.DataFrame({"a": values[:, 0], "b": values[:, 1], "c": values[:, 2], "label": label})


def run(output: Path, kind: str, members: int, **keys: Any) -> medplug.Run:
    given = {"data.train": rows(kind), "data.tabular": ["a", "b", "c"], "train.members": members, **TINY, **keys}
    return medplug.run(task="multimodal_diagnosis", output=output, **{"task.target": kind}, **given)


def members_of(found: medplug.Run) -> list[torch.nn.Module]:
    assert isinstance(found.predictor.model, Ensemble)
    return list(found.predictor.model.each)


@pytest.mark.parametrize("kind", KINDS)
def test_members_differ_and_what_they_predict_is_averaged_and_saved(kind: str, tmp_path: Path) -> None:
    found = run(tmp_path / "three", kind, 3)
    predictor, unseen = found.predictor, rows(kind, 20, seed=1)
    ours = found.predict(unseen)
    single = []
    for member in members_of(found):
        predictor_of_one = medplug.load(tmp_path / "three")
        predictor_of_one.model = member  # type: ignore[assignment]
        single.append(predictor_of_one.predict(unseen))
    columns = ["prediction"] if kind == "regression" else [name for name in ours.columns if name.startswith("p_")]
    each = np.stack([frame.select(columns).to_numpy() for frame in single])
    np.testing.assert_allclose(ours.select(columns).to_numpy(), each.mean(0), atol=1e-6)
    assert each.std(0).max() > 1e-3
    best = ours.select(columns).to_numpy().argmax(1)[:, None]
    np.testing.assert_allclose(ours["std"].to_numpy(), np.take_along_axis(each.std(0), best, 1)[:, 0], atol=1e-6)
    assert "std" not in single[0].columns
    loaded = medplug.load(tmp_path / "three")
    assert loaded.predict(unseen).equals(ours)
    assert loaded.model.columns == 3 * members_of(found)[0].columns  # type: ignore[operator]
    assert predictor.evaluate(unseen)["n"] == 20


def test_the_first_member_is_the_model_of_a_run_of_one(tmp_path: Path) -> None:
    one, three = run(tmp_path / "one", "regression", 1), run(tmp_path / "three", "regression", 3)
    first = members_of(three)[0].state_dict()
    assert all(torch.equal(first[name], tensor) for name, tensor in one.predictor.model.state_dict().items())


def test_the_report_is_of_the_ensemble(tmp_path: Path) -> None:
    found = run(tmp_path / "three", "regression", 3)
    table = pl.read_parquet(tmp_path / "three" / "predictions.parquet").filter(pl.col("split") == "test")
    error = ((table["truth"] - table["prediction"]) ** 2).mean()
    assert found.metrics["metrics"]["mse"]["value"] == pytest.approx(error, rel=1e-6)
    report = (tmp_path / "three" / "report.html").read_text()
    assert "best epoch of each member" in report and "members" in report
    assert not (tmp_path / "three" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"backbone": "columns", "adapter": "linear_probe"}, "adapter=linear_probe fits one head in closed form"),
        ({"data.treatment": "c", "task.better": "higher", "task.target": "treatment"}, "treatment target"),
    ],
)
def test_members_that_cannot_differ_or_have_no_mean_are_refused(
    keys: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    table = rows("regression").with_columns(c=pl.when(pl.col("c") > 0).then(pl.lit("x")).otherwise(pl.lit("y")))
    table = table if "data.treatment" in keys else rows("regression")
    own = {name: value for name, value in TINY.items() if "backbone" not in keys or not name.startswith("backbone")}
    given = {"task.target": "regression", "data.train": table, "data.tabular": ["a", "b"], **own, **keys}
    with pytest.raises(ConfigError, match="train.members=2") as caught:
        medplug.run(task="multimodal_diagnosis", output=tmp_path / "run", **{"train.members": 2, **given})
    assert reason in str(caught.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass", "regression", "survival"])
def test_the_average_is_that_of_what_is_predicted(kind: str) -> None:
    draw = np.random.default_rng(0)
    logits = 40 * draw.normal(size=(4, 6, 3))  # so far apart that probabilities are 0 and 1 in float32
    found = averaged(torch.from_numpy(logits), kind).numpy()
    if kind in ("binary", "multilabel"):
        mean = np.mean(1 / (1 + np.exp(-logits.clip(-700, 700))), 0)
        np.testing.assert_allclose(1 / (1 + np.exp(-found)), mean, atol=1e-9)
    elif kind == "multiclass":
        shifted = np.exp(logits - logits.max(-1, keepdims=True))
        np.testing.assert_allclose(np.exp(found), np.mean(shifted / shifted.sum(-1, keepdims=True), 0), atol=1e-9)
    else:
        np.testing.assert_allclose(found, logits.mean(0))
    assert np.isfinite(found).all()


def test_a_killed_ensemble_goes_on_from_the_member_it_had_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medplug.core.training import members

    whole = run(tmp_path / "whole", "regression", 3).predict(rows("regression", 9))
    plain, seen = members.train, []

    def killed(model: Any, adapters: Any, job: Any) -> Any:
        seen.append(job.checkpoints.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return plain(model, adapters, job)

    monkeypatch.setattr(members, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", "regression", 3)
    assert seen == ["member-1", "member-2", "member-3"]
    monkeypatch.setattr(members, "train", plain)
    given = {"data.train": rows("regression"), "data.tabular": ["a", "b", "c"], "train.members": 3, **TINY}
    again = medplug.run(
        task="multimodal_diagnosis",
        output=tmp_path / "killed",
        resume=True,
        **{"task.target": "regression", **given},
    )
    assert again.predict(rows("regression", 9)).equals(whole)
