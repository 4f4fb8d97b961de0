"""Every adapter from tables to a run folder, and back from the folder to the same predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug.core.errors import ConfigError
from medplug.plugins.adapters import medplug_adapters

Go = Callable[..., Any]

SPECS = {spec.name: spec for spec in medplug_adapters()}
TOGETHER = ("lora+mmd", "gradual+dann", "kmm+linear_probe", "density_ratio+svm", "frozen+jmmd", "l2sp+relation")


def options_of(adapter: str, teacher: Path) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if "distill" in adapter:
        keys["adapter.distill.teacher"] = str(teacher)
    if "mapping" in adapter:
        keys["adapter.mapping.steps"] = 20
    if "prefix" in adapter:
        keys |= {"adapter.prefix.tokens": 8, "backbone.window": 56, "backbone.overlap": 16}
    return keys


@pytest.fixture(scope="module")
def teacher(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the three diagnoses."""
    folder: Path = go(tmp_path_factory.mktemp("teacher") / "run", "linear_probe").folder
    return folder


def shares(frame: pl.DataFrame) -> Any:
    return frame.select(pl.selectors.starts_with("p_")).to_numpy()


@pytest.mark.parametrize("adapter", [*SPECS, *TOGETHER])
def test_a_run_comes_back_from_its_folder_with_its_own_predictions(
    adapter: str, go: Go, tables: Any, teacher: Path, tmp_path: Path
) -> None:
    needs = {need for name in adapter.split("+") for need in SPECS[name].needs}
    data = tables(few="target_labels" in needs)
    run = go(tmp_path / "run", adapter, data, **options_of(adapter, teacher))
    loaded = medplug.load(run.folder, device="cpu").predict(data["test"])
    assert loaded.equals(run.predict(data["test"]))
    written = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "test").sort("row")
    np.testing.assert_allclose(shares(loaded), shares(written), atol=1e-5)
    assert len(np.unique(shares(loaded).round(6), axis=0)) > 1
    described = json.loads((run.folder / "model.json").read_text())
    assert "+".join(entry["name"] for entry in described["adapters"]) == adapter


@pytest.mark.parametrize("adapter", ["lora", "ia3", "prefix", "bottleneck", "frozen"])
def test_only_the_new_weights_and_the_head_move(adapter: str, go: Go, tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run = go(tmp_path / "run", adapter, **options_of(adapter, tmp_path))
    pretrained = {tuple(t.shape): [] for t in load_file(tiny_bert / "model.safetensors").values()}
    for tensor in load_file(tiny_bert / "model.safetensors").values():
        pretrained[tuple(tensor.shape)].append(tensor)
    trained = load_file(run.folder / "model.safetensors")
    kept = [
        name
        for name, tensor in trained.items()
        if any(torch.equal(tensor, each) for each in pretrained.get(tuple(tensor.shape), []))
    ]
    marks = ("lora_", "ia3_", "prompt_encoder", "bottleneck", "neck", "head")
    new = [name for name in trained if any(mark in name for mark in marks)]
    assert set(trained) - set(kept) == set(new) and kept and new


def test_cdan_and_label_graph_refuse_several_labels_a_row_before_anything_is_trained(
    go: Go, tables: Any, tmp_path: Path
) -> None:
    data = tables()
    several = [[["lung"], ["lung", "bone"], []][i % 3] for i in range(len(data["source"]))]
    data["source"] = data["source"].with_columns(pl.Series("label", several))
    data["test"] = data["test"].with_columns(pl.Series("label", several[:15]))
    for adapter in ("cdan", "label_graph"):
        stages: list[str] = []
        with pytest.raises(
            ConfigError,
            match=f"adapter={adapter} serves binary, multiclass targets, and this one is multilabel; use adapter=mmd",
        ):
            go(tmp_path / adapter, adapter, data, progress=lambda sign, stages=stages: stages.append(sign.stage))
        assert "training" not in stages and "preparing" not in stages


def test_rows_are_weighed_for_a_choice_by_features_from_before_training(
    go: Go, tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[bool] = []

    def key(backbone: Any, arithmetic: str) -> str:
        encoded.append(any("lora" in name for name, _ in backbone.named_parameters()))
        return "key"

    monkeypatch.setattr("medplug.core.training.frozen.backbone_key", key)
    go(tmp_path / "run", "lora", tables(), **{"selection.criterion": "iwv"})
    assert encoded == [False]


def test_boosting_refuses_weights_that_it_would_not_use(go: Go, tables: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tradaboost weighs the source rows itself"):
        go(tmp_path / "run", "kmm+tradaboost", tables(few=True))


def test_distillation_asks_for_its_teacher(go: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"adapter\.distill\.teacher.*the run folder of the teacher"):
        go(tmp_path / "run", "distill")
    with pytest.raises(ConfigError, match="nowhere is not a finished run"):
        go(tmp_path / "run", "distill", **{"adapter.distill.teacher": str(tmp_path / "nowhere")})


def test_a_teacher_of_other_classes_is_refused(go: Go, tables: Any, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it predicts multiclass bone, lung, skin, not binary"):
        go(tmp_path / "run", "distill", tables(classes=2), **{"adapter.distill.teacher": str(teacher)})
