"""The model while it is trained: batch norms of frozen weights keep their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medplug.core.backbone import Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.mask_model import MaskModel
from medplug.core.model import Loss, Model
from medplug.core.training.objective import Objective
from medplug.core.training.seeds import seeded
from medplug.core.training.vectors import Vectors

pytestmark = pytest.mark.usefixtures("one_thread")
BINARY = Target("binary", ("no", "yes"))


class Normed(Vectors):
    """A stem and a layer, each with a batch norm, and dropout."""

    map_widths = (5,)

    def __init__(self) -> None:
        super().__init__(5)
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.layer = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        self.dropout = nn.Dropout(0.5)

    def collate(self, items: Sequence[Any]) -> Inputs:
        return {"pixels": torch.stack(list(items))}

    def forward(self, inputs: Inputs) -> Features:
        return self.maps(inputs)[0]

    def maps(self, inputs: Inputs) -> tuple[Features, list[Tensor]]:
        found = self.layer(self.stem(inputs["pixels"]))
        pooled = self.dropout(found.mean((2, 3)))
        return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool)), [found]


@pytest.fixture(params=["classes", "masks"])
def model(request: pytest.FixtureRequest) -> Model:
    with seeded(0):
        made = MaskModel(Normed(), Target("mask", ("a",))) if request.param == "masks" else Model(Normed(), BINARY)
        for module in made.modules():  # statistics as of other data
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()  # type: ignore[union-attr]
    return made


def statistics(model: Model) -> dict[str, Tensor]:
    return {name: each.clone() for name, each in model.named_buffers() if "running" in name or "tracked" in name}


def moved(model: Model) -> set[str]:
    """Which batch norms have other statistics after a step of training."""
    before = statistics(model.train())
    model.outputs({"pixels": torch.rand(6, 1, 9, 9, generator=torch.Generator().manual_seed(1))})
    after = statistics(model)
    changed = {name.rpartition(".")[0] for name, each in before.items() if not torch.equal(each, after[name])}
    assert all(not torch.equal(before[f"{n}.running_mean"], after[f"{n}.running_mean"]) for n in changed)
    return changed


def test_batch_norms_of_trained_weights_learn_their_statistics(model: Model) -> None:
    assert moved(model) == {"backbone.stem.1", "backbone.layer.1"}


def test_batch_norms_of_frozen_weights_keep_theirs_and_compute_by_them(model: Model) -> None:
    model.backbone.requires_grad_(False)
    assert moved(model) == set()
    pixels = torch.rand(6, 1, 9, 9)
    frozen = model.train().backbone.stem(pixels)
    torch.testing.assert_close(frozen, model.eval().backbone.stem(pixels), atol=0, rtol=0)


def test_each_batch_norm_goes_by_its_own_weights(model: Model) -> None:
    model.backbone.stem.requires_grad_(False)
    assert moved(model) == {"backbone.layer.1"}
    model.backbone.stem[1].bias.requires_grad_(True)
    assert moved(model) == {"backbone.stem.1", "backbone.layer.1"}


def test_layers_that_thaw_while_training_learn_their_statistics_from_then_on(model: Model) -> None:
    model.backbone.requires_grad_(False)
    assert moved(model) == set()
    model.backbone.layer.requires_grad_(True)
    assert moved(model) == {"backbone.layer.1"}
    model.backbone.requires_grad_(True)
    assert moved(model) == {"backbone.stem.1", "backbone.layer.1"}
    model.backbone.requires_grad_(False)
    assert moved(model) == set()


def test_all_else_of_a_frozen_backbone_is_in_the_mode_asked_for(model: Model) -> None:
    model.backbone.requires_grad_(False)
    assert model.train() is model and model.training
    assert model.backbone.dropout.training and model.backbone.layer[2].training and model.head.training
    assert not any(module.training for module in model.eval().modules())


def test_batch_norms_behind_the_backbone_are_trained_as_they_are() -> None:
    model = Model(Normed(), BINARY)
    model.set_neck(nn.BatchNorm1d(5), 5)
    model.requires_grad_(False)
    assert model.train().neck.training


def test_what_trains_the_model_sets_its_mode_by_the_same_rule(model: Model) -> None:
    objective = Objective(model, Loss(BINARY), BINARY, {})
    model.backbone.stem.requires_grad_(False)
    objective.train()
    assert not model.backbone.stem[1].training and model.backbone.layer[1].training


@pytest.mark.parametrize(("keeps", "moves"), [(False, True), (True, False)])
def test_a_backbone_keeps_its_statistics_where_that_was_asked_for(keeps: bool, moves: bool) -> None:
    model = Model(Normed(), BINARY)
    model.backbone.keeps_statistics = keeps
    model.train()
    model({"pixels": torch.randn(4, 1, 9, 9) + 3})
    norm = model.backbone.get_submodule("stem.1")
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    assert bool(norm.running_mean.abs().sum() > 0) is moves
    assert model.training and model.backbone.get_submodule("dropout").training


def test_a_model_that_is_ready_is_in_eval_mode_and_not_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(Normed(), BINARY).train()
    assert not model.ready().training and not model.backbone.training
    monkeypatch.setattr(model, "eval", lambda: pytest.fail("walked again"))
    assert model.ready() is model
