"""Optimal transport: two samples compared by the cost of moving one onto the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medplug.core.transfer.samples import centred, check_pair, differ, full_precision, widened


def sinkhorn(x: Tensor, y: Tensor, *, epsilon: float | None = None, iterations: int = 50) -> Tensor:
    """Debiased Sinkhorn divergence of ``[n, width]`` and ``[m, width]`` under the squared distance.

    `epsilon` is the entropy's weight in units of the squared distance; None: a
    twentieth of the mean squared distance between the samples, a constant to
    the gradient. The potentials are found without a graph, and the gradient is
    that of the cost under the plan they give: exact once they have settled,
    for which a smaller `epsilon` needs more `iterations`.

    Feydy et al., Interpolating between Optimal Transport and MMD using Sinkhorn Divergences (2019).
    """
    check_pair(x, y)
    if iterations < 1 or (epsilon is not None and not 0 < epsilon < math.inf):
        raise ValueError(f"sinkhorn needs epsilon > 0 and iterations >= 1; got {epsilon} and {iterations}")
    with full_precision(x):
        x, y = torch.split(centred(*widened(x, y)), [len(x), len(y)])
        # each side moves against the other held still, so that no pair's gradient counts twice
        x_to_y, y_to_x = _cost(x, y.detach()), _cost(y, x.detach())
        x_to_x, y_to_y = _cost(x, x.detach()), _cost(y, y.detach())
        f, g, p, q, blur = _potentials(x_to_y.detach(), x_to_x.detach(), y_to_y.detach(), epsilon, iterations)
        x_part = _softmin(x_to_y, g, blur) - _softmin(x_to_x, p, blur)
        y_part = _softmin(y_to_x, f, blur) - _softmin(y_to_y, q, blur)
        value = x_part.mean() + y_part.mean()
        value = value - value.detach().clamp(max=0)  # negative only by rounding; the gradient stays
        return value * differ([x], [y])


def _cost(x: Tensor, y: Tensor) -> Tensor:
    """``[n, m]`` squared distances."""
    products = x @ y.T
    return x.square().sum(1)[:, None] + y.square().sum(1) - 2 * products


def _softmin(cost: Tensor, potential: Tensor, blur: Tensor) -> Tensor:
    """Each row's soft minimum of the cost less the other side's potential, over equal masses."""
    return -blur * (((potential - cost) / blur).logsumexp(1) - math.log(cost.shape[1]))


@torch.no_grad()
def _potentials(
    between: Tensor, within_x: Tensor, within_y: Tensor, epsilon: float | None, iterations: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The dual potentials of x to y (both sides), x to x and y to y, and the entropy's weight.

    Both sides step together and halfway, which treats them alike.
    """
    mean = between.mean()
    blur = mean.where(mean > 0, 1) / 20 if epsilon is None else torch.full_like(mean, epsilon)
    f, g = between.new_zeros(between.shape[0]), between.new_zeros(between.shape[1])
    p, q = torch.zeros_like(f), torch.zeros_like(g)
    for _ in range(iterations):
        f, g = (f + _softmin(between, g, blur)) / 2, (g + _softmin(between.T, f, blur)) / 2
        p, q = (p + _softmin(within_x, p, blur)) / 2, (q + _softmin(within_y, q, blur)) / 2
    return f, g, p, q, blur


def sliced_wasserstein(
    x: Tensor, y: Tensor, *, projections: int = 64, generator: torch.Generator | None = None, p: float = 2.0
) -> Tensor:
    """The p-th power of the Wasserstein-p distance on lines, averaged over random directions.

    `x` ``[n, width]`` and `y` ``[m, width]`` may differ in rows: along each of
    the `projections` directions the two quantile functions are compared on
    every step of either. Directions come from `generator`, else from torch's own.

    Bonneel et al., Sliced and Radon Wasserstein Barycenters of Measures (2015).
    """
    check_pair(x, y)
    if projections < 1 or p < 1:
        raise ValueError(f"sliced_wasserstein needs projections >= 1 and p >= 1; got {projections} and {p}")
    with full_precision(x):
        x, y = torch.split(centred(*widened(x, y)), [len(x), len(y)])
        source = x.device if generator is None else generator.device
        lines = torch.randn(x.shape[1], projections, generator=generator, device=source, dtype=x.dtype).to(x.device)
        lines = lines / lines.norm(dim=0)
        x, y = (x @ lines).sort(0).values, (y @ lines).sort(0).values
    if len(x) == len(y):
        return _power(x - y, p).mean()
    widths, x_step, y_step = _shared_steps(len(x), len(y), x.device)
    shares = widths.to(x) / (len(x) * len(y))
    return (shares[:, None] * _power(x[x_step] - y[y_step], p)).sum(0).mean()


def _power(gap: Tensor, p: float) -> Tensor:
    return gap.square() if p == 2 else gap.abs().pow(p)


def _shared_steps(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The intervals of [0, 1] on which both quantile functions of n and m points are flat.

    Their widths in units of 1 / (n m) (some zero: in whole numbers, steps that
    coincide do so exactly) and which point of each side stands there.
    """
    ends = torch.cat([torch.arange(1, n + 1, device=device) * m, torch.arange(1, m + 1, device=device) * n]).sort()
    widths = ends.values.diff(prepend=ends.values.new_zeros(1))
    last = ends.values - 1
    return widths, last // m, last // n
