"""Training of every weight: what may move, how fast by depth, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medplug import Progress
from medplug.core.data.targets import Target
from medplug.core.model import Model
from medplug.core.registry import Source
from medplug.plugins.adapters import options
from medplug.plugins.adapters.finetune import Finetune, Gradual
from medplug.plugins.backbones.pretrained_options import PretrainedTextOptions
from medplug.plugins.backbones.pretrained_text import PretrainedText

Of = Callable[..., Any]


@pytest.fixture
def model(tiny_bert: Path) -> Model:
    backbone = PretrainedText.create(PretrainedTextOptions(), Source(path=tiny_bert))
    return Model(backbone, Target("binary", ("no", "yes"))).requires_grad_(False)


def depth_of(name: str) -> int:
    """How many of the tiny BERT's groups stand above a parameter: its two layers, and the embeddings."""
    if ".layer." in name:
        return 1 - int(name.partition(".layer.")[2][0])
    return 2 if "embeddings" in name else 0


def thawed(model: Model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_everything_is_trained_and_word_embeddings_may_stay(model: Model) -> None:
    Finetune(options.FinetuneOptions()).prepare(model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    Finetune(options.FinetuneOptions(freeze_embeddings=True)).prepare(model)
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert still and all("_embeddings." in name for name in still)


@pytest.mark.parametrize(
    ("adapter", "decay"),
    [
        (Finetune(options.FinetuneOptions(layer_decay=0.5)), 0.5),
        (Gradual(options.GradualOptions()), 0.8),
        (Finetune(options.FinetuneOptions()), 1.0),
        (Gradual(options.GradualOptions(layer_decay=1.0)), 1.0),
    ],
)
def test_layers_learn_slower_towards_the_input(adapter: Any, decay: float, model: Model) -> None:
    adapter.prepare(model)
    rates = adapter.rates(model)
    names = {name for name, _ in model.named_parameters()}
    assert set(rates) <= names
    for name in names:
        expected = 1.0 if name.startswith("head.") else decay ** depth_of(name)
        assert rates.get(name, 1.0) == pytest.approx(expected), name


def test_layers_thaw_one_by_one_from_the_top_and_the_head_is_never_frozen(model: Model) -> None:
    adapter = Gradual(options.GradualOptions(until=0.5))
    adapter.prepare(model)
    everything = thawed(model)
    seen: list[set[str]] = []
    for progress in (0.0, 0.1, 0.24, 0.25, 0.4, 0.5, 0.9):
        adapter.schedule(model, progress)
        seen.append(thawed(model))
    deepest = [max(depth_of(name) for name in each) for each in seen]
    assert deepest == [0, 0, 0, 1, 1, 2, 2] and seen[-1] == everything
    for each, depth in zip(seen, deepest, strict=True):
        assert each == {name for name in everything if name.startswith("head.") or depth_of(name) <= depth}


def test_a_second_model_starts_from_the_top_again(model: Model) -> None:
    first, second = (Gradual(options.GradualOptions()) for _ in range(2))
    for adapter in (first, second):
        adapter.prepare(model)
        adapter.schedule(model, 0.0)
        assert max(depth_of(name) for name in thawed(model)) == 0
        adapter.schedule(model, 1.0)


def test_layers_that_are_not_thawed_yet_do_not_move(go: Of, tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    start = load_file(tiny_bert / "model.safetensors")
    run = go(tmp_path / "run", "gradual", train={"batch_size": 64, "warmup": 0}, **{"adapter.gradual.until": 1.0})
    now = load_file(run.folder / "model.safetensors")  # one step, at progress 0
    moved = {name for name, tensor in start.items() if "pooler" not in name and not same(now, name, tensor)}
    assert moved and {depth_of(name) for name in moved} == {0}


def same(now: Any, name: str, tensor: torch.Tensor) -> bool:
    return torch.equal(now[f"backbone.model.{name}"], tensor)


def test_a_resumed_run_thaws_as_an_unbroken_one(go: Of, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(sign: Progress) -> None:
        if sign.stage == "epoch" and sign.facts["epoch"] == 1:
            raise Killed

    keys = {"train": {"epochs": 3}, "adapter.gradual.until": 1.0}
    whole = go(tmp_path / "whole", "gradual", **keys)
    with pytest.raises(Killed):
        go(tmp_path / "run", "gradual", progress=kill, **keys)
    resumed = go(tmp_path / "run", "gradual", resume=True, **keys)
    assert (resumed.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


# ---- a head to start from


@pytest.mark.parametrize("adapter", ["finetune", "gradual"])
def test_training_starts_from_the_linear_probe(adapter: str, go: Of, tables: Of, tmp_path: Path) -> None:
    data = {"train": tables()["source"]}
    still: dict[str, Any] = {"train": {"learning_rate": 1e-12}}
    probed = go(tmp_path / "probe", "linear_probe", data).predict(data["train"])
    started = go(tmp_path / "started", adapter, data, **still, **{f"adapter.{adapter}.head": "probe"})
    shares = [name for name in probed.columns if name.startswith("p_")]
    found = started.predict(data["train"])
    np.testing.assert_allclose(found[shares].to_numpy(), probed[shares].to_numpy(), atol=1e-4)
    assert found["prediction"].to_list() == probed["prediction"].to_list()
    anew = go(tmp_path / "new", adapter, data, **still, **{f"adapter.{adapter}.head": "new"})
    assert np.abs(anew.predict(data["train"])[shares].to_numpy() - probed[shares].to_numpy()).max() > 0.01


def test_of_the_two_only_gradual_starts_from_a_probe_unasked() -> None:
    assert Gradual(options.GradualOptions()).starts_from_probe
    assert not Finetune(options.FinetuneOptions()).starts_from_probe
    assert Finetune(options.FinetuneOptions(head="probe")).starts_from_probe
