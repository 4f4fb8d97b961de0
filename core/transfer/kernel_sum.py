"""Sums of Gaussian kernels over all pairs of two samples' rows, with their gradient in closed form.

Kernels are made in blocks of rows, each block from one matrix product with
itself and all later rows, so that no ``n x n x width`` tensor is made and,
beyond about a thousand rows, no ``n x n`` one. Only half of the symmetric
matrix is computed then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from importlib.util import find_spec

import torch
from torch import Tensor

from medplug.core.transfer.closed_form import with_gradient
from medplug.core.transfer.kernels import MEDIAN_ROWS, Ladder, median_ladder, squared_distances
from medplug.core.transfer.samples import centred

BLOCK = {"cpu": 2**20}
"""Entries of one block of the kernel matrix, by device: what a CPU's cache holds."""
DEVICE_BLOCK = 2**26
"""The same for any other device: enough to fill it."""
FUSED_ROWS = 2048
"""From so many rows in all, a GPU's kernels are made by Triton, where it is installed."""


def kernel_sum(
    mass: Tensor,
    xs: Sequence[Tensor],
    ys: Sequence[Tensor],
    bandwidths: Sequence[Sequence[float] | None],
    own: tuple[Tensor, Tensor] | None,
    stored: torch.dtype,
) -> Tensor:
    """``sum_ij (mass mass')_ij k(i, j)`` over the joint sample, k the product of the layers' mean kernels.

    `mass` is ``[n + m, classes]``, y's part negative; `xs` and `ys` hold each
    layer's ``[n, width]`` and ``[m, width]``, all of mass's type. With `own`,
    rows are not paired with themselves, and pairs within x and within y count
    by its two factors. Differentiable once, in the samples. `stored` is the
    type they were in before: for many bfloat16 rows on a GPU the centred rows
    are rounded to it again, for its matrix products.
    """
    return with_gradient(partial(_solve, _Plan(mass, len(xs[0]), own, bandwidths, stored)), *xs, *ys)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is summed; see `kernel_sum`."""

    mass: Tensor
    n: int
    own: tuple[Tensor, Tensor] | None
    bandwidths: Sequence[Sequence[float] | None]
    stored: torch.dtype


class _Layer:
    """One layer's joint sample, centred, with its kernels and, while summing, its gradient."""

    def __init__(self, x: Tensor, y: Tensor, bandwidths: Sequence[float] | None) -> None:
        self.rows = centred(x.detach(), y.detach())
        self.squares = torch.linalg.vector_norm(self.rows, dim=1).square_()
        self.whole = self.distances(0, len(self.rows)) if len(self.rows) <= MEDIAN_ROWS else None
        self.ladder = _ladder(bandwidths, self.rows, self.squares, len(x), self.whole)
        self.pulled = torch.empty_like(self.rows)
        self.pull = torch.zeros_like(self.squares)

    def distances(self, start: int, stop: int) -> Tensor:
        """Squared distances of rows `start` to `stop` from themselves and all later rows."""
        rows, squares = self.rows, self.squares
        found = squared_distances(rows[start:stop], rows[start:], squares[start:stop], squares[start:])
        return found.fill_diagonal_(0)

    def sums(self, start: int, stop: int, *, slopes: bool) -> tuple[Tensor, Tensor]:
        """The block's kernels and slopes; see `Ladder.sums`."""
        distances, self.whole = self.whole if self.whole is not None else self.distances(start, stop), None
        return self.ladder.sums(distances, slopes=slopes)

    def pull_by(self, strengths: Tensor, start: int, stop: int) -> None:
        """Add what the block's pairs, by their strengths, contribute to the gradient of both their rows."""
        size, kept = stop - start, int(start > 0)  # the first block is the first to reach any row
        self.pull[start:stop].add_(strengths.sum(1))
        self.pulled[start:stop].addmm_(strengths, self.rows[start:], beta=kept)
        if stop < len(self.rows):
            self.pull[stop:].add_(strengths[:, size:].sum(0))
            self.pulled[stop:].addmm_(strengths[:, size:].T, self.rows[start:stop], beta=kept)

    def gradient(self, scale: float) -> Tensor:
        """The gradient ``[n + m, width]``: a pair of strength s pulls row i by ``s (row_j - row_i)``."""
        return self.pulled.addcmul_(self.rows, self.pull[:, None], value=-1).mul_(4 * scale * self.ladder.precision)


def _ladder(
    bandwidths: Sequence[float] | None, rows: Tensor, squares: Tensor, n: int, distances: Tensor | None
) -> Ladder:
    return median_ladder(rows, squares, n, distances) if bandwidths is None else Ladder.of(bandwidths)


def _solve(plan: _Plan, samples: Sequence[Tensor], wants_gradient: bool) -> tuple[Tensor, Sequence[Tensor]]:
    """The sum over all pairs of a plan and its gradients, x's of each layer and then y's."""
    if _fusable(plan, samples):
        return _solve_fused(plan, *samples, wants_gradient=wants_gradient)
    half = len(samples) // 2
    layers = [_Layer(*each) for each in zip(samples[:half], samples[half:], plan.bandwidths, strict=True)]
    total, step = len(plan.mass), _block_rows(plan.mass)
    blocks = [(start, min(start + step, total)) for start in range(0, total, step)]
    scale = 1 / math.prod(len(layer.ladder.ratios) for layer in layers)
    value = reduce(torch.Tensor.add_, [_add_block(plan, layers, *block, slopes=wants_gradient) for block in blocks])
    value.mul_(scale)
    if plan.own is None:
        value.clamp_(min=0)  # a squared norm, negative only by rounding
    gradients = [layer.gradient(scale) for layer in layers] if wants_gradient else []
    return value, [g[: plan.n] for g in gradients] + [g[plan.n :] for g in gradients]


def _fusable(plan: _Plan, samples: Sequence[Tensor]) -> bool:
    """Whether the sum is one that the Triton kernels make, on a GPU that runs them."""
    return (
        samples[0].is_cuda
        and samples[0].dtype == torch.float32
        and len(samples) == 2
        and plan.mass.shape[1] == 1
        and len(plan.mass) >= FUSED_ROWS
        and torch.cuda.get_device_capability(samples[0].device) >= (8, 0)
        and find_spec("triton") is not None
    )


def _solve_fused(plan: _Plan, x: Tensor, y: Tensor, *, wants_gradient: bool) -> tuple[Tensor, Sequence[Tensor]]:
    """The same for one layer by the Triton kernels."""
    from medplug.core.transfer.triton_mmd import fused_kernel_sum

    rows = centred(x.detach(), y.detach())
    ladder = _ladder(plan.bandwidths[0], rows, torch.linalg.vector_norm(rows, dim=1).square_(), plan.n, None)
    rows = rows.bfloat16() if plan.stored == torch.bfloat16 else rows
    value, gradient = fused_kernel_sum(rows, plan.mass[:, 0], plan.n, ladder, plan.own, wants_gradient=wants_gradient)
    value = value if plan.own else value.clamp(min=0)
    return value, [] if gradient is None else [gradient[: plan.n], gradient[plan.n :]]


def _block_rows(mass: Tensor) -> int:
    """How many rows of the kernel matrix are made at a time."""
    total = len(mass)
    return total if total <= MEDIAN_ROWS else max(BLOCK.get(mass.device.type, DEVICE_BLOCK) // total, 1)


def _add_block(plan: _Plan, layers: list[_Layer], start: int, stop: int, *, slopes: bool) -> Tensor:
    """The value of the pairs of rows `start` to `stop` with themselves and all later rows; their gradient is added."""
    size, mass, later = stop - start, plan.mass[start:stop], plan.mass[start:]
    sums = [layer.sums(start, stop, slopes=slopes) for layer in layers]
    if slopes:
        pairs = _without_self(mass @ later.T, plan, start, stop)
        for k, layer in enumerate(layers):
            others = [total for j, (total, _) in enumerate(sums) if j != k]
            layer.pull_by(reduce(torch.Tensor.mul_, [pairs, *others], sums[k][1]), start, stop)
    kernel = reduce(torch.Tensor.mul_, [total for total, _ in sums])
    if plan.own is not None:
        _without_self(kernel, plan, start, stop)
    twice = torch.cat([mass, 2 * later[size:]]) if len(later) > size else mass  # a later row's pair is both orders
    return (mass * (kernel @ twice)).sum()


def _without_self(matrix: Tensor, plan: _Plan, start: int, stop: int) -> Tensor:
    """Take out each row's pair with itself and weigh the pairs within a sample, in place."""
    matrix.fill_diagonal_(0)
    if plan.own is not None:
        border = plan.n - start
        if border > 0:
            matrix[:border, :border] *= plan.own[0]
        if stop > plan.n:
            matrix[max(border, 0) :, max(border, 0) :] *= plan.own[1]
    return matrix
