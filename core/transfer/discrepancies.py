"""Maximum mean discrepancies: two samples compared through the means of their kernel features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from medplug.core.transfer.kernel_sum import kernel_sum
from medplug.core.transfer.samples import centred, check_pair, differ, full_precision, widened


def mmd(
    x: Tensor,
    y: Tensor,
    *,
    bandwidths: Sequence[float] | None = None,
    biased: bool = True,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
) -> Tensor:
    """Squared MMD of ``[n, width]`` and ``[m, width]`` by the mean of the kernels ``exp(-d^2 / (2 b^2))``.

    `bandwidths` None: the median distance between the rows of the joint sample
    (a constant to the gradient; of all pairs up to 1,024 rows in all, of an
    even sample beyond) times 1/4, 1/2, 1, 2 and 4. The biased estimate is never
    negative and zero on equal samples; the unbiased one leaves each row's
    kernel with itself out, has mean zero on equal distributions and needs two
    rows a side. `x_weights` ``[n]`` and `y_weights` ``[m]`` are non-negative
    constants, normalised here.

    Gretton et al., A Kernel Two-Sample Test (2012).
    """
    check_pair(x, y)
    x_mass, y_mass = _mass(x_weights, x, "x_weights"), _mass(y_weights, y, "y_weights")
    return _discrepancy([x], [y], [bandwidths], x_mass, y_mass, biased=biased)


def joint_mmd(
    xs: Sequence[Tensor],
    ys: Sequence[Tensor],
    *,
    bandwidths: Sequence[Sequence[float] | None] | None = None,
    biased: bool = True,
) -> Tensor:
    """Squared MMD of several layers' features together: the kernel is the product of the layers' kernels.

    `xs` and `ys` hold one ``[n, width]`` and one ``[m, width]`` a layer, rows in
    the same order; `bandwidths` one sequence, or None, a layer (see `mmd`).

    Long et al., Deep Transfer Learning with Joint Adaptation Networks (2017).
    """
    given = [None] * len(xs) if bandwidths is None else list(bandwidths)
    if not xs or not len(xs) == len(ys) == len(given):
        raise ValueError(
            f"xs, ys and bandwidths must hold one entry a layer; got {len(xs)}, {len(ys)} and {len(given)} of them"
        )
    for layer, (x, y) in enumerate(zip(xs, ys, strict=True)):
        check_pair(x, y, (f"xs[{layer}]", f"ys[{layer}]"))
    for name, samples in (("xs", xs), ("ys", ys)):
        if len({len(sample) for sample in samples}) > 1:
            raise ValueError(f"the layers of {name} must have equally many rows; got {[len(s) for s in samples]}")
    x_mass, y_mass = _mass(None, xs[0], "xs"), _mass(None, ys[0], "ys")
    return _discrepancy(xs, ys, given, x_mass, y_mass, biased=biased)


def linear_mmd(x: Tensor, y: Tensor) -> Tensor:
    """The squared distance between the means of ``[n, width]`` and ``[m, width]``."""
    check_pair(x, y)
    joint = centred(*widened(x, y))
    return (joint[: len(x)].mean(0) - joint[len(x) :].mean(0)).square().sum()


def local_mmd(
    x: Tensor, y: Tensor, x_probs: Tensor, y_probs: Tensor, *, bandwidths: Sequence[float] | None = None
) -> Tensor:
    """Squared MMD within each class, averaged over the classes that both sides have.

    `x_probs` ``[n, classes]`` and `y_probs` ``[m, classes]`` are one-hot labels
    or probabilities, constants to the gradient; a row counts in each class by
    its share of the class. Kernels as in `mmd`; the estimate is biased, and
    zero where no class has rows on both sides.

    Zhu et al., Deep Subdomain Adaptation Network (2020).
    """
    check_pair(x, y)
    for name, probs, rows in (("x_probs", x_probs, len(x)), ("y_probs", y_probs, len(y))):
        if probs.ndim != 2 or len(probs) != rows or probs.shape[1] != x_probs.shape[1]:
            wanted = f"[{rows}, {x_probs.shape[-1] if x_probs.ndim == 2 else 'classes'}]"
            raise ValueError(f"{name} must be {wanted}, a row for each row of features; got {list(probs.shape)}")
    dtype = _types(x, y)[1]
    shares = x_probs.detach().to(dtype), y_probs.detach().to(dtype)
    totals = shares[0].sum(0), shares[1].sum(0)
    both = (totals[0] > 0) & (totals[1] > 0)
    scale = both / both.sum().clamp(min=1).to(dtype).sqrt()
    x_mass, y_mass = (share * scale / total.where(both, 1) for share, total in zip(shares, totals, strict=True))
    return _discrepancy([x], [y], [bandwidths], x_mass, y_mass, biased=True)


def _mass(weights: Tensor | None, sample: Tensor, name: str) -> Tensor:
    """Each row's share of its sample, ``[rows, 1]``."""
    dtype = _types(sample)[1]
    if weights is None:
        return sample.new_full((len(sample), 1), 1 / len(sample), dtype=dtype)
    if weights.shape != (len(sample),):
        raise ValueError(f"{name} must be [{len(sample)}], one weight a row; got shape {list(weights.shape)}")
    weights = weights.detach().to(sample.device, dtype)
    return (weights / weights.sum())[:, None]


def _discrepancy(
    xs: Sequence[Tensor],
    ys: Sequence[Tensor],
    bandwidths: Sequence[Sequence[float] | None],
    x_mass: Tensor,
    y_mass: Tensor,
    *,
    biased: bool,
) -> Tensor:
    """The squared MMD of layers whose rows carry mass ``[rows, classes]`` on either side."""
    own = None
    if not biased:
        if min(len(x_mass), len(y_mass)) < 2:
            raise ValueError(f"biased=False needs two rows a side; got {len(x_mass)} and {len(y_mass)}")
        own = (_unbiasing(x_mass), _unbiasing(y_mass))
    stored, dtype = _types(*xs, *ys)
    xs, ys = [x.to(dtype) for x in xs], [y.to(dtype) for y in ys]
    x_mass, y_mass = x_mass.to(dtype), y_mass.to(dtype)
    with full_precision(x_mass):
        value = kernel_sum(torch.cat([x_mass, -y_mass]), xs, ys, bandwidths, own, stored)
    apart = not biased or differ((*xs, x_mass), (*ys, y_mass))
    return value if apart is True else value * apart


def _types(*samples: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The type that samples are stored in, the best of theirs, and the one that they are summed in."""
    stored = reduce(torch.promote_types, [sample.dtype for sample in samples])
    return stored, torch.promote_types(stored, torch.float32)


def _unbiasing(mass: Tensor) -> Tensor:
    """What pairs of different rows are multiplied by to carry all of a sample's mass."""
    return 1 / (1 - mass.square().sum()).clamp(min=torch.finfo(mass.dtype).eps)
