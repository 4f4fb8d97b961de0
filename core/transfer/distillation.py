"""Knowledge distillation: a student's outputs drawn towards a teacher's."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import logsigmoid

from medplug.core.transfer.samples import widened


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 2.0,
    kind: Literal["softmax", "sigmoid"] = "softmax",
) -> Tensor:
    """The divergence of the student's softened probabilities from the teacher's, times the squared temperature.

    Both logits are ``[rows, outputs]``; the teacher is a constant. "softmax"
    takes the outputs as classes that exclude each other, of which there must
    be two: the Kullback-Leibler divergence ``KL(teacher, student)``, averaged
    over the rows. "sigmoid" takes each output as a label of its own: the
    divergence of each, averaged over rows and labels. Zero on equal logits;
    the factor keeps the gradient's size whatever the temperature. ValueError
    on other shapes, and where `temperature` is not positive.

    Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network (2015).
    """
    if student_logits.ndim != 2 or 0 in student_logits.shape or student_logits.shape != teacher_logits.shape:
        got = f"{list(student_logits.shape)} and {list(teacher_logits.shape)}"
        raise ValueError(f"student_logits and teacher_logits must both be [rows, outputs], not empty; got shapes {got}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    if kind not in ("softmax", "sigmoid"):
        raise ValueError(f'kind must be "softmax" or "sigmoid"; got {kind!r}')
    if kind == "softmax" and student_logits.shape[1] < 2:
        raise ValueError('a softmax over one output is always 1 and teaches nothing; use kind="sigmoid"')
    student, teacher = (logits / temperature for logits in widened(student_logits, teacher_logits.detach()))
    divergence = _of_classes(student, teacher) if kind == "softmax" else _of_labels(student, teacher)
    return divergence * temperature**2


def _of_classes(student: Tensor, teacher: Tensor) -> Tensor:
    log_probs = teacher.log_softmax(1)
    return (log_probs.exp() * (log_probs - student.log_softmax(1))).sum(1).mean()


def _of_labels(student: Tensor, teacher: Tensor) -> Tensor:
    present = teacher.sigmoid() * (logsigmoid(teacher) - logsigmoid(student))
    absent = (-teacher).sigmoid() * (logsigmoid(-teacher) - logsigmoid(-student))
    return (present + absent).mean()
