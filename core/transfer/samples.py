"""Two samples of features: checked, widened to float32, centred."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce

import torch
from torch import Tensor


def check_pair(x: Tensor, y: Tensor, names: tuple[str, str] = ("x", "y")) -> None:
    """Refuse anything but two non-empty floating samples of one width, with a ValueError that names the shapes."""
    for name, sample in zip(names, (x, y), strict=True):
        if sample.ndim != 2 or 0 in sample.shape:
            raise ValueError(f"{name} must be [rows, width] with at least one of each; got shape {list(sample.shape)}")
        if not sample.is_floating_point():
            raise ValueError(f"{name} must hold floating point features; got {sample.dtype}. Convert it with .float()")
    if x.shape[1] != y.shape[1]:
        wanted = f"{names[0]} and {names[1]} must be [n, width] and [m, width] of one width"
        raise ValueError(f"{wanted}; got shapes {list(x.shape)} and {list(y.shape)}")


def widened(*samples: Tensor) -> tuple[Tensor, ...]:
    """All samples in one type, float32 or better."""
    dtype = reduce(torch.promote_types, (sample.dtype for sample in samples), torch.float32)
    return tuple(sample.to(dtype) for sample in samples)


def centred(x: Tensor, y: Tensor) -> Tensor:
    """The joint sample ``[n + m, width]``, x first, less its mean, which is a constant to the gradient.

    What is measured does not change with a common shift, but its rounding
    does: it grows with the square of the offset.
    """
    joint = torch.cat([x, y])
    return joint.sub_(joint.detach().mean(0))


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """A context in which autocast leaves matrix products in the type that they are given."""
    kind = x.device.type
    active = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if active else nullcontext()


def differ(xs: Sequence[Tensor], ys: Sequence[Tensor]) -> Tensor | bool:
    """Whether any pair of samples of one type differs in shape or in a value.

    A discrepancy times this is exactly zero on equal samples, where its sums
    leave rounding. Off the CPU the answer stays on its device, a tensor.
    """
    pairs = list(zip(xs, ys, strict=True))
    if any(x.shape != y.shape for x, y in pairs):
        return True
    if xs[0].device.type == "cpu":
        return not all(torch.equal(x, y) for x, y in pairs)
    return torch.stack([(x != y).any() for x, y in pairs]).any()
