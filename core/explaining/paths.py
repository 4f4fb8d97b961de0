"""Integrated gradients: what each unit adds to an output on the way from a baseline to the row.

Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks (2017). The scores of
a row sum to its output less that of the baseline, up to the fineness of the path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.explaining.inside import LEFT, Embedded

Forward = Callable[[], Tensor]
"""Logits ``[rows, outputs]`` of one batch."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Scores of the places of one batch, and the output at both ends of the path, by row."""

    scores: Tensor
    here: Tensor
    baseline: Tensor


def follow(forward: Forward, inside: Embedded, of: Tensor, weights: Tensor, steps: int) -> Followed:
    """The scores of places `of` ``[*places, 2]`` for the output ``(logits * weights).sum(1)``.

    The path is summed at `steps` points of Gauss and Legendre.
    """
    start = _seen(forward, inside.layer)
    kept = (of[..., 0] == LEFT).reshape(*of.shape[:-1], *[1] * (start.ndim - of.ndim + 1))
    away = torch.zeros_like(start) if inside.baseline is None else inside.baseline.to(start).expand_as(start)
    way = (start - away).masked_fill(kept, 0.0)
    end = start - way

    def output(share: float) -> tuple[Tensor, Tensor]:
        point = (end + share * way).requires_grad_()
        with _replaced(inside.layer, point):
            return point, (forward().double() * weights).sum(1)

    total = torch.zeros_like(start, dtype=torch.float64)
    for share, weight in _legendre(steps):
        point, found = output(share)
        (gradient,) = torch.autograd.grad(found.sum(), point)
        total += weight * gradient
    with torch.no_grad():
        here, baseline = output(1.0)[1], output(0.0)[1]
    scores = (total * way).flatten(of.ndim - 1).sum(-1)
    return Followed(scores, here, baseline)


def gathered(scores: Tensor, of: Tensor, counts: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The scores of every row's units, of places `of` ``[*places, 2]``; a unit in several places has their sum."""
    flat, owners = scores.detach().double().cpu().numpy().ravel(), of.cpu().numpy().reshape(-1, 2)
    real = owners[:, 0] != LEFT
    found = np.zeros((len(counts), int(counts.max(initial=0))), dtype=np.float64)
    np.add.at(found, (owners[real, 0], owners[real, 1]), flat[real])
    return [row[:count] for row, count in zip(found, counts, strict=True)]


def counted(of: Tensor, rows: int) -> NDArray[np.int64]:
    """How many units each row has ``[rows]``."""
    owners = of.cpu().numpy().reshape(-1, 2)
    found = np.zeros(rows, dtype=np.int64)
    real = owners[:, 0] != LEFT
    np.maximum.at(found, owners[real, 0], owners[real, 1] + 1)
    return found


def _legendre(steps: int) -> list[tuple[float, float]]:
    """Points and weights of the quadrature on 0 to 1."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return [((point + 1) / 2, weight / 2) for point, weight in zip(points.tolist(), weights.tolist(), strict=True)]


def _seen(forward: Forward, layer: nn.Module) -> Tensor:
    """What a layer gives in one forward pass."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: found.append(output.detach()))
    with handle, torch.no_grad():
        forward()
    return found[0]


def _replaced(layer: nn.Module, output: Tensor) -> Any:
    """Within it a layer gives `output`, whatever it is given."""
    return layer.register_forward_hook(lambda module, given, found: output)
