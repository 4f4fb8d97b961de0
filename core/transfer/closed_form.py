"""Values whose gradient is worked out on paper and made with them, so that nothing large waits for the backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Solve = Callable[[Sequence[Tensor], bool], tuple[Tensor, Sequence[Tensor]]]
"""From samples, and whether their gradients are wanted: a scalar, and its gradient for each sample where wanted."""


def with_gradient(solve: Solve, *samples: Tensor) -> Tensor:
    """The scalar of `solve`, differentiable in the samples by the gradients that it gives.

    There is no second derivative: a backward with ``create_graph=True`` is a RuntimeError.
    """
    if torch.is_grad_enabled() and any(sample.requires_grad for sample in samples):
        value: Tensor = _ClosedForm.apply(solve, *samples)
        return value
    with torch.no_grad():
        return solve(samples, False)[0]


class _ClosedForm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, solve: Solve, *samples: Tensor) -> Tensor:
        value, gradients = solve(samples, True)
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # the gradients are constants to autograd: differentiating them would give zero
            raise RuntimeError("mmd, joint_mmd, local_mmd and coral have no second derivative; leave out create_graph")
        needed = zip(ctx.needs_input_grad[1:], ctx.saved_tensors, strict=True)
        return None, *(gradient * outer if needs else None for needs, gradient in needed)
