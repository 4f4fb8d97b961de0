"""Gradient reversal: what learns from one side of it is defeated from the other."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def reverse_gradient(x: Tensor, coefficient: float | Tensor) -> Tensor:
    """`x` itself, of any shape; in the backward its gradient is multiplied by ``-coefficient``.

    A tensor `coefficient` has no dimensions (ValueError), gets no gradient, and
    counts with the value that it has now, whatever is written to it later.

    Ganin et al., Domain-Adversarial Training of Neural Networks (2016).
    """
    if isinstance(coefficient, Tensor) and coefficient.ndim:
        raise ValueError(f"coefficient must be a number or a tensor of no dimensions; got {list(coefficient.shape)}")
    reversed_: Tensor = _Reversal.apply(x, coefficient)
    return reversed_


def reversal_coefficient(progress: float, gamma: float = 10.0) -> float:
    """``2 / (1 + exp(-gamma progress)) - 1``, which rises from 0 towards 1 as training goes.

    `progress` is the share of training that is done; outside [0, 1] it is a ValueError.

    Ganin et al., Domain-Adversarial Training of Neural Networks (2016).
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress must be the share of training that is done, from 0 to 1; got {progress}")
    return math.tanh(gamma * progress / 2)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, coefficient: float | Tensor) -> Tensor:
        ctx.factor = -coefficient  # a new tensor, where it is one: a schedule may write to the old before the backward
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:
        return outer * ctx.factor, None
