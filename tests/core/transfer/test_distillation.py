"""Distillation, held to float64 sums over the outputs."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from medplug.core.transfer.distillation import distillation_loss

Kind = Literal["softmax", "sigmoid"]
BOTH = pytest.mark.parametrize("kind", ["softmax", "sigmoid"])


def pair(rows: int = 4, outputs: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows + outputs)
    student, teacher = torch.randn(2, rows, outputs, generator=generator, dtype=torch.float64) * 2
    return student.requires_grad_(), teacher.requires_grad_()


def divergence(goal: list[float], said: list[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(goal, said, strict=True))


def soft(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_classes_diverge_by_the_references_sum(temperature: float) -> None:
    student, teacher = pair()
    rows = zip(student.tolist(), teacher.tolist(), strict=True)
    wanted = sum(divergence(soft(t, temperature), soft(s, temperature)) for s, t in rows) / 4 * temperature**2
    assert distillation_loss(student, teacher, temperature=temperature).item() == pytest.approx(wanted)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_labels_diverge_each_by_itself(temperature: float) -> None:
    student, teacher = pair()
    values = zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True)
    wanted = sum(divergence(soft([t, 0], temperature), soft([s, 0], temperature)) for s, t in values) / 12
    ours = distillation_loss(student, teacher, temperature=temperature, kind="sigmoid")
    assert ours.item() == pytest.approx(wanted * temperature**2)


@BOTH
def test_the_student_alone_learns(kind: Kind) -> None:
    student, teacher = pair()
    assert gradcheck(lambda s: distillation_loss(s, teacher.detach(), kind=kind), (student,))
    distillation_loss(student, teacher, kind=kind).backward()
    assert teacher.grad is None and student.grad is not None and student.grad.abs().sum() > 0


@BOTH
def test_equal_logits_are_zero_apart_and_others_are_not(kind: Kind) -> None:
    student, teacher = pair()
    assert distillation_loss(teacher, teacher, kind=kind).item() == 0
    assert distillation_loss(student, teacher, kind=kind).item() > 0.01


def test_hot_gradients_are_those_of_matching_logits() -> None:
    student, teacher = pair()
    distillation_loss(student, teacher, temperature=1e6).backward()
    gap = student - teacher
    torch.testing.assert_close(student.grad, (gap - gap.mean(1, keepdim=True)).detach() / (3 * 4), rtol=1e-4, atol=1e-7)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_far_logits_of_lesser_types_are_finite_and_computed_in_float32(kind: Kind, dtype: torch.dtype) -> None:
    student = torch.tensor([[500.0, -500.0], [-300.0, 300.0]], dtype=dtype, requires_grad=True)
    value = distillation_loss(student, -student.detach(), temperature=1.0, kind=kind)
    value.backward()
    assert value.dtype == torch.float32 and value.item() == pytest.approx(800 if kind == "softmax" else 400)
    assert student.grad is not None and student.grad.isfinite().all()


def test_what_makes_no_sense_is_refused() -> None:
    logits = torch.zeros(4, 1)
    with pytest.raises(ValueError, match='teaches nothing; use kind="sigmoid"'):
        distillation_loss(logits, logits)
    with pytest.raises(ValueError, match=r"not empty; got shapes \[4, 1\] and \[4, 2\]"):
        distillation_loss(logits, torch.zeros(4, 2))
    with pytest.raises(ValueError, match="temperature must be positive; got 0"):
        distillation_loss(logits, logits, temperature=0, kind="sigmoid")
    with pytest.raises(ValueError, match="got 'hard'"):
        distillation_loss(logits, logits, kind="hard")  # type: ignore[arg-type]
