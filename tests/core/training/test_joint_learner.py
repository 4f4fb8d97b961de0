"""Training of a joint model: stand-ins for what is frozen, every choice of modalities, and runs that go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug.core.data.content import JointRow
from medplug.core.training.compute import infer
from medplug.core.training.job import Trained
from medplug.core.training.joint_learner import add_subsets, joint_learner
from medplug.core.training.parts import JointFeatures
from medplug.core.training.vectors import Encodings, Vectors

Keys = Callable[..., dict[str, Any]]
Begin = Callable[..., Any]
SMALL: dict[str, Any] = {
    "gated": {"hidden": 8},
    "cross_attention": {"hidden": 8, "heads": 2},
    "bilinear_attention": {"hidden": 8},
    "late": {},
}


def learner_of(begun: Any) -> Any:
    frozen = JointFeatures(begun.model.backbone, begun.job)
    return joint_learner(begun.model, begun.job, frozen)


def whole_logits(begun: Any, values: list[JointRow]) -> np.ndarray[Any, Any]:
    backbone = begun.model.eval().backbone
    return infer(begun.model, backbone, backbone.prepare(values), begun.job.compute)


@pytest.mark.parametrize("fusion", SMALL)
def test_what_stands_in_for_a_frozen_backbone_gives_the_logits_of_the_whole_model(
    joint_keys: Keys, begun: Begin, fusion: str
) -> None:
    handed = begun(joint_keys(fusion={"name": fusion, **SMALL[fusion]}))
    learner = learner_of(handed)
    parts = dict(learner.model.backbone.each())
    tokens = fusion in ("cross_attention", "bilinear_attention")
    assert type(parts["text"]) is (Encodings if tokens else Vectors)
    assert parts["tabular"] is handed.model.backbone.part("tabular")
    assert learner.model.backbone.fusion is handed.model.backbone.fusion and learner.model.head is handed.model.head
    for split in ("train", "test"):
        np.testing.assert_allclose(learner.logits(split), whole_logits(handed, handed.job.values(split)), atol=1e-5)


def test_a_backbone_of_which_something_is_trained_runs_at_each_step(joint_keys: Keys, begun: Begin) -> None:
    handed = begun(joint_keys(adapter="lora"))
    learner = learner_of(handed)
    assert learner.model.backbone.part("text") is handed.model.backbone.part("text")
    trained = {name for name, each in learner.model.named_parameters() if each.requires_grad}
    assert any("lora" in name for name in trained if name.startswith("backbone.parts.text."))
    assert any(name.startswith("backbone.parts.tabular.") for name in trained)
    rates = {name for _, adapter in handed.adapters for name in adapter.rates(learner.model)}
    assert rates == {name for name in trained if name.startswith("backbone.parts.")}


@pytest.mark.parametrize("fusion", ["gated", "cross_attention"])
def test_test_rows_are_judged_by_every_choice_as_if_they_lacked_the_rest(
    joint_keys: Keys, begun: Begin, fusion: str
) -> None:
    handed = begun(joint_keys(fusion={"name": fusion, **SMALL[fusion]}))
    trained = Trained({}, {})
    add_subsets(trained, learner_of(handed))
    rows = handed.job.values("test")
    assert list(trained.subsets) == [("text",), ("tabular",), ("text", "tabular")]
    for chosen, logits in trained.subsets.items():
        has = np.array([any(row[slot] is not None for slot in chosen) for row in rows])
        assert np.isnan(logits[~has]).all() and has.any()
        kept = [JointRow({s: row[s] if s in chosen else None for s in row.values}) for row in rows]
        expected = whole_logits(handed, [row for row, there in zip(kept, has, strict=True) if there])
        np.testing.assert_allclose(logits[has], expected, atol=1e-5)
    if fusion == "gated":
        total = sum(trained.shares.values())
        np.testing.assert_allclose(total, 1, atol=1e-5)
        lacks = np.array([row["text"] is None for row in rows])
        assert (trained.shares["text"][lacks] == 0).all() and (trained.shares["text"][~lacks] > 0).all()
    else:
        assert trained.shares == {}


class Killed(Exception):
    """The run ends here."""


def test_a_joint_run_with_a_penalty_that_was_killed_goes_on_and_ends_as_an_unbroken_one(
    joint_keys: Keys, tmp_path: Path
) -> None:
    keys = joint_keys(adapter="frozen+mmd", train={"epochs": 4})
    keys["data"]["unlabelled"] = keys["data"]["train"].drop("label").head(24)

    def kill(progress: Any) -> None:
        if progress.stage == "epoch" and progress.facts["epoch"] == 2:
            raise Killed

    whole = medplug.run(output=tmp_path / "whole", **keys)
    with pytest.raises(Killed):
        medplug.run(output=tmp_path / "killed", progress=kill, **keys)
    assert (tmp_path / "killed.partial").is_dir()
    resumed = medplug.run(output=tmp_path / "killed", resume=True, **keys)
    one, two = (each.predictor.model.state_dict() for each in (whole, resumed))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-6, rtol=1e-5)
    tables = [pl.read_parquet(each.folder / "predictions.parquet") for each in (whole, resumed)]
    assert tables[0]["prediction"].to_list() == tables[1]["prediction"].to_list()


@pytest.mark.parametrize(
    ("adapter", "criterion"),
    [("kmm+finetune", "validation"), ("density_ratio+frozen", "iwv"), ("finetune+mmd", "dev")],
)
def test_rows_are_weighed_and_epochs_chosen_by_the_one_backbone_that_means_something(
    joint_keys: Keys, tmp_path: Path, adapter: str, criterion: str
) -> None:
    keys = joint_keys(adapter=adapter, selection={"criterion": criterion}, train={"epochs": 1})
    keys["data"]["unlabelled"] = keys["data"]["train"].drop("label").head(24)
    done = medplug.run(output=tmp_path / "run", **keys)
    assert done.metrics["selection"]["criterion"] == criterion
    assert {"iwv", "dev"} <= set(done.metrics["selection"]["without_target_labels"])
    assert "without_transfer" in done.metrics and "by_modality" in done.metrics


def test_a_model_that_never_saw_a_row_without_a_modality_is_not_judged_without_one(
    joint_keys: Keys, begun: Begin
) -> None:
    handed = begun(joint_keys(fusion={"name": "gated", "hidden": 8}))
    trained = Trained({}, {"test": whole_logits(handed, handed.job.values("test"))})
    add_subsets(trained, learner_of(handed), every_choice=False)
    assert trained.subsets == {} and set(trained.shares) == {"text", "tabular"}
