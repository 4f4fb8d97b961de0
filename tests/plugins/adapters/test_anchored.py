"""Training held by the starting weights, a teacher, or the pretrained relations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import medplug
from medplug import Progress
from medplug.core.adapter import Material
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.model import Loss, Model
from medplug.core.training.objective import Objective
from medplug.plugins.adapters import options
from medplug.plugins.adapters.anchored import Distill, L2sp, Relation

Of = Callable[..., Any]


class Taught:
    """Stands for a finished run: its classes, and logits that name the row and the class."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def logits(self, values: list[int]) -> Any:
        if self.target.outputs == 1:
            return np.array([[float(value)] for value in values], dtype=np.float32)
        return np.array([[value + ord(name) for name in self.target.classes] for value in values], dtype=np.float32)


def reference(monkeypatch: pytest.MonkeyPatch, teacher: Target, ours: Target) -> Any:
    monkeypatch.setattr("medplug.core.api.load", lambda folder: Taught(teacher))
    adapter = Distill(options.DistillOptions(teacher=Path("runs/teacher")))
    return adapter.reference(Material([0, 100], ours, lambda: pytest.fail("no features are needed")))


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_a_teachers_outputs_are_brought_into_our_order(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reference(monkeypatch, Target(kind, ("c", "a", "b")), Target(kind, ("a", "b", "c")))
    np.testing.assert_array_equal(found, np.array([[97, 98, 99], [197, 198, 199]]))


def test_a_binary_teacher_of_the_other_order_is_turned_round(monkeypatch: pytest.MonkeyPatch) -> None:
    no_yes, yes_no = Target("binary", ("no", "yes")), Target("binary", ("yes", "no"))
    np.testing.assert_array_equal(reference(monkeypatch, no_yes, no_yes), [[0], [100]])
    np.testing.assert_array_equal(reference(monkeypatch, yes_no, no_yes), [[0], [-100]])


@pytest.mark.parametrize(
    "teacher",
    [Target("multiclass", ("a", "b", "d")), Target("multilabel", ("a", "b", "c")), Target("binary", ("a", "b"))],
)
def test_a_teacher_of_other_classes_or_another_kind_is_refused(teacher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ConfigError, match=f"adapter.distill.teacher=.*it predicts {teacher.kind}.*not multiclass a, b, c"
    ):
        reference(monkeypatch, teacher, Target("multiclass", ("a", "b", "c")))


def test_distillation_is_nothing_where_the_teacher_is_matched_and_leads_to_it_elsewhere(
    target: Target, batch_of: Of, gradient_of: Of
) -> None:
    batch = batch_of(target, 3, 5)
    own = {"distill": batch.outputs.logits.detach().clone()}
    adapter = Distill(options.DistillOptions(teacher=Path("runs/teacher"), trade_off=0.5))
    matched = batch_of(target, 3, 5, reference=own)
    assert float(adapter.penalty(matched).detach()) == pytest.approx(0, abs=1e-6)
    assert gradient_of(adapter.penalty(matched), matched).abs().max() < 1e-6
    other = batch_of(target, 3, 5, reference={"distill": own["distill"] + torch.randn(8, target.outputs)})
    twice = Distill(options.DistillOptions(teacher=Path("runs/teacher"), trade_off=1.0))
    assert adapter.penalty(other) > 0 and gradient_of(adapter.penalty(other), other).any()
    torch.testing.assert_close(2 * adapter.penalty(other), twice.penalty(other))


def test_a_student_comes_nearer_to_its_teacher_and_then_stands_on_its_own(go: Of, tables: Of, tmp_path: Path) -> None:
    rows = tables()["unlabelled"]
    teacher = go(tmp_path / "teacher", "linear_probe").predict(rows)
    away = []
    for trade_off in (0.0, 20.0):
        keys = {"adapter.distill.teacher": str(tmp_path / "teacher"), "adapter.distill.trade_off": trade_off}
        student = go(tmp_path / f"student {trade_off}", "frozen+distill", train={"epochs": 6}, **keys)
        columns = [name for name in teacher.columns if name.startswith("p_")]
        said = student.predict(rows)
        away.append(np.abs(said[columns].to_numpy() - teacher[columns].to_numpy()).mean())
    assert away[1] < 0.7 * away[0]
    (tmp_path / "teacher").rename(tmp_path / "away")
    assert medplug.load(student.folder, device="cpu").predict(rows).equals(said)


def test_relations_are_kept_where_features_only_move_turn_and_grow(
    target: Target, batch_of: Of, gradient_of: Of
) -> None:
    batch = batch_of(target, 4, 5)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))
    kept = {"relation": 3 * batch.outputs.features.detach() @ turn + 2}
    adapter = Relation(options.RelationOptions())
    same, other = (
        batch_of(target, 4, 5, reference=kept),
        batch_of(target, 4, 5, reference={"relation": torch.randn(9, 7)}),
    )
    assert float(adapter.penalty(same).detach()) == pytest.approx(0, abs=1e-6)
    slope = gradient_of(adapter.penalty(other), other)
    assert adapter.penalty(other) > 0 and slope.any() and slope.isfinite().all()


@pytest.mark.parametrize("rows", [1, 2])
def test_two_rows_have_no_angle_and_cost_nothing(rows: int, batch_of: Of, gradient_of: Of) -> None:
    batch = batch_of(Target("binary", ("no", "yes")), rows, 0, reference={"relation": torch.randn(rows, 7)})
    value = Relation(options.RelationOptions()).penalty(batch)
    assert float(value.detach()) == 0 and not gradient_of(value, batch).any()


def test_the_relations_are_those_of_the_frozen_features() -> None:
    features = np.random.default_rng(0).normal(size=(4, 3))
    material = Material([1, 2, 3, 4], Target("binary", ("no", "yes")), lambda: features)
    found = Relation(options.RelationOptions()).reference(material)
    assert found.dtype == np.float32 and np.allclose(found, features)


def anchored(alpha: float = 0.3, beta: float = 0.7) -> tuple[L2sp, Model, nn.Module]:
    target = Target("binary", ("no", "yes"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(Small(), target)
    adapter = L2sp(options.L2spOptions(alpha=alpha, beta=beta))
    return adapter, model, Objective(model, Loss(target), target, {"l2sp": adapter})


class Small(nn.Module):
    """What an anchor needs of a backbone."""

    decides = False

    def __init__(self) -> None:
        super().__init__()
        self.width = 3
        self.map = nn.Linear(4, 3)
        self.still = nn.Linear(2, 2).requires_grad_(False)


def squared(tensors: list[Tensor]) -> float:
    return float(sum(tensor.detach().double().square().sum() for tensor in tensors))


def test_weights_are_pulled_to_where_they_started_and_the_head_to_zero() -> None:
    adapter, model, _ = anchored()
    start = [parameter.detach().clone() for parameter in model.backbone.map.parameters()]
    head = squared([*model.head.parameters()])
    assert float(adapter.penalty(SimpleNamespace()).detach()) == pytest.approx(0.35 * head, rel=1e-5)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter += 0.5
    moved = squared([a - b for a, b in zip(model.backbone.map.parameters(), start, strict=True)])
    value = adapter.penalty(SimpleNamespace())
    assert float(value.detach()) == pytest.approx(0.15 * moved + 0.35 * head, rel=1e-5)
    value.backward()
    torch.testing.assert_close(model.backbone.map.weight.grad, torch.full((3, 4), 0.15))
    torch.testing.assert_close(model.head.weight.grad, 0.7 * model.head.weight.detach())
    assert model.backbone.still.weight.grad is None


def test_weights_read_from_a_checkpoint_are_pulled_to_the_pretrained_ones() -> None:
    adapter, model, objective = anchored()
    start = model.backbone.map.weight.detach().clone()
    state = {name: tensor + 1 for name, tensor in objective.state_dict().items()}
    objective.load_state_dict(state)
    adapter.penalty(SimpleNamespace()).backward()
    torch.testing.assert_close(model.backbone.map.weight.grad, 0.3 * (model.backbone.map.weight.detach() - start))
    torch.testing.assert_close(model.backbone.map.weight.grad, torch.full((3, 4), 0.3))


def test_a_resumed_run_is_held_by_the_same_weights(go: Of, tables: Of, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(sign: Progress) -> None:
        if sign.stage == "epoch" and sign.facts["epoch"] == 2:
            raise Killed

    strong = {"adapter.l2sp.alpha": 5.0, "train": {"epochs": 3}}
    whole = go(tmp_path / "whole", "l2sp", **strong)
    with pytest.raises(Killed):
        go(tmp_path / "run", "l2sp", progress=kill, **strong)
    resumed = go(tmp_path / "run", "l2sp", resume=True, **strong)
    assert (resumed.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


def test_a_strong_pull_keeps_the_backbone_where_pretraining_left_it(go: Of, tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    start = load_file(tiny_bert / "model.safetensors")
    away = []
    for alpha in (0.0, 10.0):
        run = go(tmp_path / f"{alpha}", "l2sp", train={"epochs": 2}, **{"adapter.l2sp.alpha": alpha})
        now = load_file(run.folder / "model.safetensors")
        pairs = [(now[f"backbone.model.{name}"], tensor) for name, tensor in start.items() if "pooler" not in name]
        away.append(squared([ours - theirs for ours, theirs in pairs]))
    assert away[1] < 0.7 * away[0]
