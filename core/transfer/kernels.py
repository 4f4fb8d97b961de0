"""Squared distances by one matrix product, and ladders of Gaussian kernels over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

MEDIAN_ROWS = 1024
"""Up to so many rows in all, the median distance is that of all pairs."""
SAMPLED_ROWS = 512
"""Beyond, that of the pairs among about so many rows, evenly spaced in each sample."""
LADDER = tuple(4.0**step for step in range(5))
"""Precisions of the median rule's five kernels against the widest: bandwidths 2^k, k = 2 ... -2."""


def squared_distances(rows: Tensor, others: Tensor, squares: Tensor, other_squares: Tensor) -> Tensor:
    """``[n, m]`` squared distances of ``[n, width]`` and ``[m, width]``, given the rows' squared norms."""
    products = torch.addmm(other_squares[None], rows, others.T, alpha=-2)
    return products.add_(squares[:, None]).clamp_(min=0)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Gaussian kernels, the widest first.

    `precision` is ``1 / (2 b^2)`` of the widest; `ratios` are all precisions
    divided by it, ascending from 1.
    """

    precision: float | Tensor
    ratios: tuple[float, ...]

    @classmethod
    def of(cls, bandwidths: Sequence[float]) -> Ladder:
        """Kernels of given bandwidths. ValueError where there is none, or one is not positive and finite."""
        given = [float(b) for b in bandwidths]
        if not given or not all(0 < b < math.inf for b in given):
            raise ValueError(f"bandwidths must be positive numbers, at least one; got {given}")
        widest = max(given)
        return cls(1 / (2 * widest**2), tuple(sorted((widest / b) ** 2 for b in given)))

    def kernels(self, distances: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Each kernel's ratio and matrix from squared distances, whose memory is used up.

        The matrix is overwritten in the next step: a kernel of half the
        bandwidth is the fourth power of the one before, two squarings.
        """
        steps = [squarings(after / before) for before, after in zip(self.ratios, self.ratios[1:], strict=False)]
        exponents = distances.mul_(-self.precision)
        kernel = exponents.exp() if None in steps else exponents.exp_()
        yield self.ratios[0], kernel
        for ratio, step in zip(self.ratios[1:], steps, strict=True):
            if step is None:
                kernel = exponents.mul(ratio).exp_()
            else:
                for _ in range(step):
                    kernel.mul_(kernel)
            yield ratio, kernel

    def sums(self, distances: Tensor, *, slopes: bool) -> tuple[Tensor, Tensor]:
        """The sum of the kernels and, where wanted, of the kernels times their ratios (else the same again)."""
        kernels = self.kernels(distances)
        _, first = next(kernels)
        if len(self.ratios) == 1:
            return first, first.clone() if slopes else first
        total = first.clone()
        slope = first.clone() if slopes else total
        for ratio, kernel in kernels:
            total.add_(kernel)
            if slopes:
                slope.add_(kernel, alpha=ratio)
        return total, slope


@cache
def squarings(ratio: float) -> int | None:
    """How often to square a kernel to raise it to `ratio`; None where that is no small power of two."""
    power = math.log2(ratio)
    return round(power) if abs(power - round(power)) < 1e-9 and power < 8 else None


def median_ladder(rows: Tensor, squares: Tensor, n: int, distances: Tensor | None) -> Ladder:
    """Kernels around the median distance of the joint sample, of which the first `n` rows are one side.

    `distances` are those of all pairs, where they are known. Where the median
    is zero but for rounding (most rows equal) the mean squared distance stands
    in for its square, and 1 where that is zero too.
    """
    mean = _number(squares.sum()) * 2 / max(len(rows) - 1, 1)
    if distances is None:
        step = math.ceil(len(rows) / SAMPLED_ROWS)
        some, norms = (torch.cat([part[:n:step], part[n::step]]) for part in (rows, squares))
        distances = squared_distances(some, some, norms, norms).fill_diagonal_(0)
    median = _off_diagonal_median(distances)
    square = median + (median <= 100 * torch.finfo(rows.dtype).eps * mean) * (
        mean - median
    )  # numbers and tensors alike
    return Ladder(1 / (2 * LADDER[2] * (square + (square == 0))), LADDER)


def _number(scalar: Tensor) -> float | Tensor:
    """A CPU's scalar as a number, with which arithmetic is quicker; any other stays on its device."""
    return scalar.item() if scalar.device.type == "cpu" else scalar


def _off_diagonal_median(distances: Tensor) -> float | Tensor:
    """The lower median of a symmetric matrix without its diagonal, whose zeros are the smallest entries."""
    n = len(distances)
    rank = n + n * (n - 1) // 2
    if distances.device.type == "cpu":  # ten times as fast as kthvalue
        return float(np.partition(distances.numpy().ravel(), rank - 1)[rank - 1])
    return distances.flatten().kthvalue(rank).values
