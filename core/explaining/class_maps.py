"""Where in a picture a network looks: gradient-weighted class maps, and attention rolled out over a transformer.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization (2017), here before its ReLU, so that what speaks against the prediction is below 0.
Chefer, Gur and Wolf, Generic Attention-model Explainability for Interpreting Bi-Modal and
Encoder-Decoder Transformers (2021), which weighs the rollout of Abnar and Zuidema, Quantifying
Attention Flow in Transformers (2020), by the gradients of the prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from medplug.core.errors import BackboneError
from medplug.core.explaining.inside import Attending, Mapped

_MAPS = 4
"""Axes of maps: slices, channels, height, width."""
Forward = Callable[[], Tensor]
"""Logits ``[rows, outputs]`` of one batch."""


def class_maps(forward: Forward, inside: Mapped, weights: Tensor) -> Tensor:
    """Maps ``[slices, height, width]`` of the output ``(logits * weights).sum(1)``.

    `BackboneError` where the layer gives none.
    """
    found: list[Tensor] = []

    def cut(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != _MAPS:
            raise BackboneError("the network's last stage gives no maps to explain its predictions by")
        found.append(output.detach().requires_grad_())  # nothing before it is asked for its gradient
        return found[-1]

    with inside.layer.register_forward_hook(cut):
        (gradient,) = torch.autograd.grad((forward().double() * weights).sum(), found)
    maps = found[0]
    if inside.last:
        maps, gradient = maps.movedim(-1, 1), gradient.movedim(-1, 1)
    shares = gradient.mean((2, 3), keepdim=True)  # [slices, channels, 1, 1]
    return (shares * maps).sum(1).detach()


def rollout(forward: Forward, inside: Attending, weights: Tensor) -> Tensor:
    """Relevance ``[slices, height, width]`` of patches for the output ``(logits * weights).sum(1)``, 0 or more."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.append(output if output.requires_grad else output.requires_grad_())
        return seen[-1]

    with ExitStack() as stack:
        stack.enter_context(inside.visible())
        for layer in inside.layers:
            stack.enter_context(layer.register_forward_hook(keep))
        gradients = torch.autograd.grad((forward().double() * weights).sum(), seen)
    tokens = seen[0].shape[-1]
    flow = torch.eye(tokens, dtype=torch.float64, device=seen[0].device).repeat(len(seen[0]), 1, 1)
    for attention, gradient in zip(seen, gradients, strict=True):
        flow = flow + (attention * gradient).double().clamp(min=0).mean(1).detach() @ flow
    height, width = inside.grid
    patches = flow[:, :, tokens - height * width :]
    read = patches[:, tokens - height * width :].mean(1) if inside.averaged else patches[:, 0]
    return read.reshape(-1, height, width)
