"""Frozen features of several modalities: made once each, side by side, and as the model's own fusion gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medplug
from medplug.core.fusion import Concat
from medplug.core.joint.backbone import JointBackbone
from medplug.core.training.compute import infer
from medplug.core.training.parts import JointFeatures, frozen_features
from medplug.plugins.backbones.pretrained_text import PretrainedText

FIT: dict[str, Any] = {"fusion": "concat", "adapter": "linear_probe", "backbone": {"tabular": "columns"}}
Keys = Callable[..., dict[str, Any]]
Begin = Callable[..., Any]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each forward of the pretrained text encoder was given."""
    seen: list[int] = []
    before = PretrainedText.forward

    def counted(self: PretrainedText, inputs: Any) -> Any:
        found = before(self, inputs)
        seen.append(len(found.pooled))
        return found

    monkeypatch.setattr(PretrainedText, "forward", counted)
    return seen


def unexplained(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a run without explanations, which must go through the backbone itself, many times."""
    return {**keys, "report": {**keys["report"], "explain": 0}}


def distinct(keys: dict[str, Any]) -> int:
    return int(keys["data"]["train"]["note"].drop_nulls().n_unique())


def test_the_features_are_what_the_models_own_fusion_gives_of_rows_that_lack_a_modality_too(
    joint_keys: Keys, begun: Begin
) -> None:
    model, _, job = begun(joint_keys(**FIT))
    frozen = frozen_features(model.backbone, job)
    assert isinstance(frozen, JointFeatures)
    for split, features in frozen.splits.items():
        values = job.values(split)
        with torch.inference_mode():
            found = model.eval().outputs(model.backbone.collate(model.backbone.prepare(values)))
        np.testing.assert_allclose(features, found.features.numpy(), atol=1e-5)
    lacking = {slot: [row[slot] is None for row in job.values("train")] for slot in ("text", "tabular")}
    assert all(any(each) for each in lacking.values())


def test_a_missing_modality_is_the_mean_of_the_training_rows_and_a_column_says_so(
    joint_keys: Keys, begun: Begin
) -> None:
    model, _, job = begun(joint_keys(**FIT))
    frozen = frozen_features(model.backbone, job)
    width = model.backbone.part("text").width
    has = {split: np.array([row["text"] is not None for row in job.values(split)]) for split in frozen.splits}
    mean = frozen.splits["train"][has["train"], :width].mean(axis=0)
    for split, features in frozen.splits.items():
        np.testing.assert_allclose(features[~has[split], :width], np.tile(mean, ((~has[split]).sum(), 1)), atol=1e-5)
        assert np.array_equal(features[:, -2] > 0, has[split])


def test_random_weights_to_hold_it_against_leave_the_models_placeholders_alone(joint_keys: Keys, begun: Begin) -> None:
    model, _, job = begun(joint_keys(**FIT))
    joint = model.backbone
    assert isinstance(joint, JointBackbone) and isinstance(joint.fusion, Concat)
    _ = frozen_features(joint, job).splits
    kept = {name: each.clone() for name, each in joint.fusion.placeholders.items()}
    other = frozen_features(joint.again(), job, pretrained=False).splits["train"]
    assert not np.allclose(other, frozen_features(joint, job).splits["train"])
    assert all(torch.equal(joint.fusion.placeholders[name], each) for name, each in kept.items())


def test_only_backbones_that_mean_something_give_frozen_features(joint_keys: Keys, begun: Begin) -> None:
    model, _, job = begun(joint_keys())
    features = frozen_features(model.backbone, job).splits
    width = model.backbone.part("text").width
    assert {each.shape[1] for each in features.values()} == {width + 1}  # no network of values from random weights
    assert {split: len(each) for split, each in features.items()} == {
        split: len(rows) for split, rows in job.dataset.splits.items()
    }


@pytest.mark.parametrize("fusion", ["gated", "cross_attention", "concat"])
def test_a_frozen_backbone_reads_each_distinct_input_once_in_a_whole_run(
    joint_keys: Keys, encoded: list[int], fusion: str, tmp_path: Path
) -> None:
    keys = joint_keys(fusion=fusion if fusion == "concat" else {"name": fusion, "hidden": 8})
    done = medplug.run(output=tmp_path / "run", **unexplained(keys))
    again = distinct(keys) if fusion == "cross_attention" else 0  # tokens are read once more for what columns are worth
    assert encoded[0] == distinct(keys) and sum(encoded[1:]) <= again
    report = (done.folder / "report.html").read_text()
    assert "rows without text" in report and "rows without tabular" in report


def test_with_a_cache_a_further_modality_does_not_make_a_frozen_backbone_read_again(
    joint_keys: Keys, encoded: list[int], tmp_path: Path
) -> None:
    cache = {"cache": tmp_path / "cache", "epochs": 1}
    keys = unexplained(joint_keys(signal=True, train=cache))
    without = {**keys, "data": {**keys["data"], "signal": None}}
    without["backbone"] = {slot: each for slot, each in keys["backbone"].items() if slot != "signal"}
    medplug.run(output=tmp_path / "two", **{**without, "data": {**without["data"], "on_error": "skip"}})
    before = sum(encoded)
    assert 0 < before <= distinct(keys)
    medplug.run(output=tmp_path / "three", **keys)
    assert sum(encoded) - before == distinct(keys) - before


def test_what_was_noticed_is_told_by_slot_and_split(joint_keys: Keys, begun: Begin) -> None:
    model, _, job = begun(joint_keys(**FIT))
    frozen = frozen_features(model.backbone, job)
    _ = frozen.splits
    for split in job.dataset.splits:
        lacks = {slot: sum(row[slot] is None for row in job.values(split)) for slot in ("text", "tabular")}
        told = {name: count for name, count in frozen.census[split].items() if name.startswith("rows without")}
        others = set(frozen.census[split]) - set(told)
        assert all(name.endswith(tuple(f"({slot})" for slot in lacks)) for name in others)
        assert told == {f"rows without {slot}": count for slot, count in lacks.items() if count}
    assert frozen.notes["distinct inputs encoded: text"] == len(
        {row["text"] for split in job.dataset.splits for row in job.values(split)} - {None}
    )


def test_the_features_are_those_of_the_backbones_run_row_by_row(joint_keys: Keys, begun: Begin) -> None:
    model, _, job = begun(joint_keys(**FIT))
    frozen = frozen_features(model.backbone, job)
    part = model.backbone.part("text")
    values = [row["text"] for row in job.values("test") if row["text"] is not None]
    alone = [infer(lambda x: part(x).pooled, part, part.prepare([value]), job.compute)[0] for value in values]
    np.testing.assert_allclose(frozen.pooled("text")["test"], np.stack(alone), atol=1e-5)  # type: ignore[attr-defined]
