"""A small network behind a frozen backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medplug.core.data.targets import Target
from medplug.core.model import Model
from medplug.core.training.vectors import Vectors, behind
from medplug.plugins.adapters import options
from medplug.plugins.adapters.frozen import Frozen


def prepared(model_of: Any, target: Target, **given: Any) -> Model:
    model: Model = model_of(target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Frozen(options.FrozenOptions(**given)).prepare(model)
    return model


def test_the_head_reads_the_new_layer_which_is_trained_with_it(target: Target, model_of: Any) -> None:
    model = prepared(model_of, target, hidden=7)
    outputs = model.outputs({"vectors": torch.randn(4, 5)})
    assert outputs.features.shape == (4, 7) and outputs.logits.shape == (4, target.outputs)
    assert {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"neck", "head"}


def test_a_row_does_not_depend_on_the_rows_beside_it(model_of: Any) -> None:
    model = prepared(model_of, Target("binary", ("no", "yes")), dropout=0.0).train()
    rows = torch.randn(6, 5)
    together = model({"vectors": rows})
    alone = torch.cat([model({"vectors": row[None]}) for row in rows])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_acts_in_training_alone(dropout: float, model_of: Any) -> None:
    model = prepared(model_of, Target("binary", ("no", "yes")), dropout=dropout)
    rows = {"vectors": torch.randn(6, 5)}
    assert torch.equal(model.eval()(rows), model(rows))
    assert torch.equal(model.train()(rows), model(rows)) is (dropout == 0)


def test_what_is_trained_on_features_is_the_models_own(model_of: Any) -> None:
    target = Target("binary", ("no", "yes"))
    model = prepared(model_of, target)
    tail = behind(model, target, Vectors(model.backbone.width))
    assert tail.neck is model.neck and tail.head is model.head


def test_its_backbone_is_as_it_was(go: Any, tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run = go(tmp_path / "run", "frozen", **{"adapter.frozen.hidden": 12})
    now, start = load_file(run.folder / "model.safetensors"), load_file(tiny_bert / "model.safetensors")
    assert now["head.weight"].shape == (3, 12)
    for name, tensor in start.items():
        assert "pooler" in name or torch.equal(now[f"backbone.model.{name}"], tensor)
