"""CORAL: two samples compared through their covariances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medplug.core.transfer.closed_form import with_gradient
from medplug.core.transfer.samples import check_pair, differ, full_precision, widened


def coral(x: Tensor, y: Tensor) -> Tensor:
    """``|C_x - C_y|_F^2 / (4 width^2)`` with the covariances of ``[n, width]`` and ``[m, width]``.

    Covariances divide by rows - 1, so each side needs two rows (ValueError).
    With few rows for the width, the norm is taken from the samples' Gram
    matrices and no ``width x width`` matrix is made. Differentiable once.

    Sun and Saenko, Deep CORAL (2016).
    """
    check_pair(x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"coral needs two rows a side for a covariance; got shapes {list(x.shape)}, {list(y.shape)}")
    x, y = widened(x, y)
    scaled = [(sample - sample.mean(0)) / (len(sample) - 1) ** 0.5 for sample in (x, y)]
    with full_precision(x):
        norm = with_gradient(_norm_of_difference, *scaled)
    return norm * differ([x], [y]) / (4 * x.shape[1] ** 2)


def dual_is_cheaper(n: int, m: int, width: int) -> bool:
    """Whether three Gram matrices cost fewer products than two covariances."""
    return n * n + n * m + m * m < (n + m) * width


def _norm_of_difference(samples: Sequence[Tensor], wants_gradient: bool) -> tuple[Tensor, Sequence[Tensor]]:
    """``|x'x - y'y|_F^2``."""
    x, y = samples
    return (_dual if dual_is_cheaper(len(x), len(y), x.shape[1]) else _primal)(x, y, wants_gradient)


def _primal(x: Tensor, y: Tensor, wants_gradient: bool) -> tuple[Tensor, Sequence[Tensor]]:
    """The norm by ``width x width`` products."""
    difference = torch.addmm(x.T @ x, y.T, y, alpha=-1)
    gradients = ((x @ difference).mul_(4), (y @ difference).mul_(-4)) if wants_gradient else ()
    return difference.square().sum(), gradients


def _dual(x: Tensor, y: Tensor, wants_gradient: bool) -> tuple[Tensor, Sequence[Tensor]]:
    """The norm by products of rows: ``|xx'|^2 + |yy'|^2 - 2 |xy'|^2``."""
    xx, yy, xy = x @ x.T, y @ y.T, x @ y.T
    value = (xx.square().sum() + yy.square().sum() - 2 * xy.square().sum()).clamp(min=0)
    if not wants_gradient:
        return value, ()
    x_gradient, y_gradient = torch.addmm(xx @ x, xy, y, alpha=-1), torch.addmm(yy @ y, xy.T, x, alpha=-1)
    return value, (x_gradient.mul_(4), y_gradient.mul_(4))
