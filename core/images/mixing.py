"""MixUp and CutMix: pictures of a batch mixed with each other, and their targets with them.

timm has both, in pairs of the first row with the last, of batches of even size,
by numpy's generator; here the batch is sorted by domain and of any size, and
torch's generator draws.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medplug.core.images.augment_options import AugmentOptions


def mix(
    pixels: Tensor, owner: Tensor, targets: Tensor, options: AugmentOptions, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Pixels uint8 ``[slices, channels, height, width]`` and targets ``[rows, classes]``, mixed.

    `targets` are the probabilities of the classes in floating point: one-hot
    rows for a multiclass target, ``[rows, 1]`` for a binary one, a column a label
    for multilabel. `owner` ``[slices]`` is each slice's row. Each row is mixed
    with one other, of those that are `chosen` (bool ``[rows]``; None: all are)
    and in one share for the batch; where both are on, a coin says which of
    MixUp and CutMix. Rows that are not chosen, one chosen row alone, and a batch
    with a volume come back as they were. ValueError on other types or shapes.

    Zhang et al., mixup: Beyond Empirical Risk Minimization (2018); Yun et al.,
    CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features (2019).
    """
    _check(pixels, owner, targets, chosen)
    if len(pixels) != len(targets) or not (options.mixup or options.cutmix):
        return pixels, targets
    partner = _partners(torch.ones_like(owner, dtype=torch.bool) if chosen is None else chosen)
    slice_of = owner.argsort()  # of each row
    others = pixels[slice_of[partner[owner]]]
    # drawn on the CPU, whatever the device of the pixels: a share and a box are numbers, and nothing waits for them
    coin, *centre = torch.rand(3).tolist()
    if options.mixup and (coin < 0.5 or not options.cutmix):
        own = _share(options.mixup)
        mixed = pixels.float().lerp_(others.float(), 1 - own).round_().to(torch.uint8)
    else:
        height, width = pixels.shape[2:]
        (top, bottom), (left, right) = _box((height, width), _share(options.cutmix), centre)
        mixed = pixels.clone()
        mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
        own = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, targets.lerp(targets[partner], 1 - own)


def _share(alpha: float) -> float:
    """A row's own share in what is mixed."""
    concentration = torch.tensor(alpha, dtype=torch.float64)
    share: float = torch.distributions.Beta(concentration, concentration).sample().item()
    return share


def _box(sides: tuple[int, int], own: float, centre: list[float]) -> list[tuple[int, int]]:
    """First and past-the-last pixel of a box along both sides; it covers ``1 - own`` of them, less what lies outside.

    `centre` is its place as shares of the sides.
    """
    lengths = [int(side * math.sqrt(1 - own)) for side in sides]
    starts = [int(side * place) - length // 2 for side, place, length in zip(sides, centre, lengths, strict=True)]
    return [
        (max(start, 0), min(start + length, side)) for side, start, length in zip(sides, starts, lengths, strict=True)
    ]


def _partners(chosen: Tensor) -> Tensor:
    """Another chosen row for each chosen one ``[rows]``, in one random ring of them all; the others are their own."""
    rows = torch.arange(len(chosen), device=chosen.device)
    order = (torch.rand(len(chosen), device=chosen.device) + ~chosen).argsort()  # the chosen first
    following = order[torch.where(rows + 1 < chosen.sum(), rows + 1, 0)]
    partner = torch.empty_like(rows).scatter_(0, order, following)
    return torch.where(chosen, partner, rows)


def _check(pixels: Tensor, owner: Tensor, targets: Tensor, chosen: Tensor | None) -> None:
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or owner.shape != pixels.shape[:1]:
        raise ValueError(
            "pixels must be uint8 of shape [slices, channels, height, width] and owner [slices]; "
            f"got {pixels.dtype} of shape {list(pixels.shape)} and {list(owner.shape)}"
        )
    if not targets.is_floating_point() or targets.ndim != 2:
        raise ValueError(
            "targets must be probabilities in floating point of shape [rows, classes]; "
            f"got {targets.dtype} of shape {list(targets.shape)}"
        )
    if chosen is not None and (chosen.dtype != torch.bool or chosen.shape != targets.shape[:1]):
        raise ValueError(f"chosen must be bool of shape [{len(targets)}]; got {chosen.dtype} of {list(chosen.shape)}")
