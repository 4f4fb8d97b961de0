"""Pulling weights back to where they started, so that fine-tuning on few rows forgets little."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

_PIECE = 2**16  # the CPU sums squares one by one: over millions, float32 would keep three digits


class Anchor:
    """``alpha / 2 * sum((w - start)^2)`` over `pretrained` weights plus ``beta / 2 * sum(w^2)`` over `fresh` ones.

    The start is the weights' value when the anchor is made, kept as a copy on
    their device: make it when the model is on its device and in its type, and
    before a checkpoint is loaded. `fresh` are weights that the source model
    lacks, as a head's. Frozen weights count in the value and get no gradient,
    whether they were frozen before or are later. ValueError on a strength below
    zero, and where there is nothing to pull on.

    Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks (2018): L2-SP.
    """

    def __init__(
        self, pretrained: Iterable[nn.Parameter], fresh: Iterable[nn.Parameter], *, alpha: float, beta: float
    ) -> None:
        self.pretrained, self.fresh = list(pretrained), list(fresh)
        self.alpha, self.beta = alpha, beta
        for name, strength in (("alpha", alpha), ("beta", beta)):
            if not 0 <= strength < float("inf"):
                raise ValueError(f"{name} must be a finite strength of at least 0; got {strength}")
        if not self.pretrained and not self.fresh:
            raise ValueError("an anchor needs parameters to pull on, pretrained or fresh; got none of either")
        self.start = [weight.detach().clone() for weight in self.pretrained]

    def __call__(self) -> Tensor:
        """The penalty, a scalar to add to the loss in float32 or better; its gradient is ``alpha * (w - start)``."""
        terms = [
            _pull(weights, start, strength)
            for weights, start, strength in ((self.pretrained, self.start, self.alpha), (self.fresh, [], self.beta))
            if weights
        ]
        return reduce(torch.add, terms)


def _pull(weights: list[nn.Parameter], start: list[Tensor], strength: float) -> Tensor:
    value: Tensor = _Pull.apply(strength, start, *weights)
    return value


def _away(weights: list[Tensor], start: list[Tensor]) -> list[Tensor]:
    return list(torch._foreach_sub(weights, start)) if start else weights


class _Pull(torch.autograd.Function):
    """``strength / 2 * sum((w - start)^2)`` over many tensors, of zeros where `start` is empty.

    Few kernels, and of all that is as large as the weights only the gradient
    outlives a call: the differences are made anew in the backward. There is no
    second derivative.
    """

    @staticmethod
    def forward(ctx: Any, strength: float, start: list[Tensor], *weights: Tensor) -> Tensor:
        ctx.strength, ctx.start = strength, start
        ctx.save_for_backward(*weights)
        dtype = reduce(torch.promote_types, (weight.dtype for weight in weights), torch.float32)
        pieces = [piece for away in _away(list(weights), start) for piece in torch.split(away.reshape(-1), _PIECE)]
        norms = torch._foreach_norm(pieces, 2, dtype)
        return torch.stack(list(norms)).square().sum() * (strength / 2)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # torch's own second derivatives of these products over many tensors fail
            raise RuntimeError("an anchor has no second derivative; leave out create_graph")
        needed = ctx.needs_input_grad[2:]
        weights = [w for w, needs in zip(ctx.saved_tensors, needed, strict=True) if needs]
        start = [s for s, needs in zip(ctx.start, needed, strict=bool(ctx.start)) if needs]
        gradients = iter(torch._foreach_mul(_away(weights, start), outer * ctx.strength))
        return None, None, *(next(gradients) if needs else None for needs in needed)
