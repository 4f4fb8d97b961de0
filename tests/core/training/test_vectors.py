"""Training on features known already, held to training with the backbone run at each step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medplug.core.config import TrainConfig
from medplug.core.data.targets import Target
from medplug.core.model import Loss, Model
from medplug.core.training.compute import Compute, infer
from medplug.core.training.objective import Objective
from medplug.core.training.quiet import quiet
from medplug.core.training.rows import Rows
from medplug.core.training.seeds import seeded
from medplug.core.training.trainer import train_by_gradient
from medplug.core.training.vectors import Vectors, behind

TARGET = Target("multiclass", ("a", "b", "c"))


def frozen_model(letters: Callable[..., Any], *, neck: bool) -> Model:
    with seeded(0):
        model = Model(letters(), TARGET)
        if neck:
            model.set_neck(nn.Sequential(nn.Linear(6, 5), nn.Tanh()), 5)
    model.backbone.requires_grad_(False)
    return model


def weights_of(model: Model) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("neck", [False, True])
def test_a_frozen_backbone_run_once_trains_as_one_run_at_each_step(
    neck: bool, letters: Callable[..., Any], on_cpu: Callable[..., Compute], texts: list[str], tmp_path: Path
) -> None:
    def trained(model: Model, learner: Model, items: list[Any], folder: str) -> dict[str, Tensor]:
        with seeded(1), quiet():
            train_by_gradient(
                Objective(learner, Loss(TARGET), TARGET, {}),
                Rows(items, np.arange(48) % 3),
                lambda: {"log_loss": float(-len(list(tmp_path.glob(f"{folder}/*"))))},
                metric="log_loss",
                greater_is_better=False,
                config=TrainConfig(epochs=3, learning_rate=0.05, batch_size=8),
                seed=0,
                compute=on_cpu(60),
                checkpoints=tmp_path / folder,
                resume=False,
                step=lambda done, total: None,
                epoch=lambda facts: None,
            )
        return weights_of(model)

    whole, split = (frozen_model(letters, neck=neck) for _ in range(2))
    before = weights_of(whole)
    items = split.backbone.prepare(texts)
    features = infer(lambda inputs: split.backbone(inputs).pooled, split.backbone, items, on_cpu())
    slow = trained(whole, whole, items, "slow")
    fast = trained(split, behind(split, TARGET, Vectors(split.backbone.width)), list(features), "fast")
    for name, weight in slow.items():
        torch.testing.assert_close(fast[name], weight, atol=1e-4, rtol=0)
        moved = float((fast[name] - before[name]).abs().max())
        assert moved == 0.0 if name.startswith("backbone.") else moved > 1e-2


@pytest.mark.parametrize("neck", [False, True])
def test_what_stands_behind_is_the_models_own(neck: bool, letters: Callable[..., Any], texts: list[str]) -> None:
    model = frozen_model(letters, neck=neck)
    tail = behind(model, TARGET, Vectors(model.backbone.width))
    assert tail.neck is model.neck and tail.head is model.head
    assert {id(p) for p in tail.parameters()} == {id(p) for p in model.parameters() if p.requires_grad}
    inputs = model.backbone.collate(model.backbone.prepare(texts))
    whole = model.outputs(inputs)
    vectors = list(model.backbone(inputs).pooled.numpy())
    found = tail.outputs(tail.backbone.collate(tail.backbone.prepare(vectors)))
    torch.testing.assert_close(found.features, whole.features)
    torch.testing.assert_close(found.logits, whole.logits)


def test_vectors_pass_as_they_are_each_its_own_token() -> None:
    backbone = Vectors.create(4, None)
    rows = list(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    features = backbone(backbone.collate(backbone.prepare(rows)))
    assert np.array_equal(features.pooled.numpy(), np.stack(rows))
    assert torch.equal(features.tokens[:, 0], features.pooled) and features.tokens.shape == (5, 1, 4)
    assert features.mask.shape == (5, 1) and bool(features.mask.all())
    assert [backbone.size(row) for row in rows] == [1] * 5
    assert Vectors.restore(backbone.assets()).width == backbone.width == 4
    assert not list(backbone.parameters())
