"""Augmentation of a batch of pictures on the device that trains on them, each row by its own draw.

torchvision's transforms draw one set of parameters a call; here one grid is
sampled for the whole batch, in torchvision's convention of an affine map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from medplug.core.images.augment_options import AugmentOptions


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes within the bounds of `options`."""

    options: AugmentOptions

    def draw(self, rows: int, device: torch.device | str, generator: Generator | None = None) -> Drawn:
        """One set of parameters a row, drawn on `device`: by its global generator, unless one is given.

        Each parameter is uniform between its bounds and drawn apart from the
        others; each flip that is allowed comes to half of the rows.
        """
        options = self.options
        chance = torch.rand(rows, 8, device=device, generator=generator)  # always 8: an option moves no other's draws
        change = 2 * chance[:, :6] - 1
        flips = torch.stack(
            [_signs(chance[:, 6], options.flip != "none"), _signs(chance[:, 7], options.flip == "both")], 1
        )
        return Drawn(
            angle=change[:, 0] * math.radians(options.rotate),
            shift=change[:, 1:3] * options.shift,
            scale=1 + change[:, 3] * options.scale,
            flips=flips,
            contrast=1 + change[:, 4] * options.contrast,
            brightness=change[:, 5] * options.brightness,
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn for the rows of a batch; the slices of a volume share their row's.

    A picture is mirrored (`flips` ``[rows, 2]``, across and down: -1 where
    mirrored, else 1), then scaled (`scale` ``[rows]``, a factor) and rotated
    (`angle` ``[rows]``, radians, clockwise) about its centre, then shifted
    (`shift` ``[rows, 2]``, shares of width and height). What comes in from
    outside is black. Then its difference from its mean is multiplied (`contrast`
    ``[rows]``; a volume has one mean), and `brightness` ``[rows]`` added, a
    share of the range 0 to 255.
    """

    angle: Tensor
    shift: Tensor
    scale: Tensor
    flips: Tensor
    contrast: Tensor
    brightness: Tensor

    def pixels(self, pixels: Tensor, owner: Tensor, chosen: Tensor | None = None) -> Tensor:
        """`pixels` uint8 ``[slices, channels, height, width]``, changed; `owner` ``[slices]`` is each slice's row.

        Rows that are not `chosen` (bool ``[rows]``; None: all are) come back as
        they were. Values between pixels are bilinear, and rounded once, at the
        end. ValueError on other types or shapes.
        """
        if pixels.dtype != torch.uint8 or pixels.ndim != 4:
            raise ValueError(
                "pixels must be uint8 of shape [slices, channels, height, width]; "
                f"got {pixels.dtype} of shape {list(pixels.shape)}"
            )
        _check("owner", owner, len(pixels))
        offset = (1 - self.contrast) * self._levels(pixels, owner) + 255 * self.brightness
        whole = (pixels, self._maps(*pixels.shape[2:])[owner], _each(self.contrast[owner]), _each(offset[owner]))
        pieces = zip(*(torch.split(tensor, _piece(pixels)) for tensor in whole), strict=True)
        changed = torch.cat([_changed(*piece) for piece in pieces])
        if chosen is None:
            return changed
        _check("chosen", chosen, len(self.angle))
        return torch.where(_each(chosen[owner]), changed, pixels)

    def masks(self, masks: Tensor, chosen: Tensor | None = None) -> Tensor:
        """`masks` int64 ``[rows, height, width]``, moved as their rows' pixels are.

        Each place takes the class of the nearest pixel, 0 (background) outside.
        Rows that are not `chosen` come back as they were. ValueError on other
        types or shapes.
        """
        if masks.dtype != torch.int64 or masks.ndim != 3 or len(masks) != len(self.angle):
            raise ValueError(
                f"masks must be int64 of shape [{len(self.angle)}, height, width]; "
                f"got {masks.dtype} of shape {list(masks.shape)}"
            )
        moved = _sample(masks[:, None].float(), self._maps(*masks.shape[1:]), "nearest")[:, 0].long()
        if chosen is None:
            return moved
        _check("chosen", chosen, len(self.angle))
        return torch.where(chosen[:, None, None], moved, masks)

    def _maps(self, height: int, width: int) -> Tensor:
        """The affine maps ``[rows, 2, 3]`` from places in the result to places in the picture.

        Both run from -1 to 1 across the picture, whose sides may differ.
        """
        across, down = torch.cos(self.angle) / self.scale, torch.sin(self.angle) / self.scale
        turn = torch.stack([across, down * (height / width), -down * (width / height), across], 1).view(-1, 2, 2)
        turn = turn * self.flips[:, :, None]
        start = (turn * (-2 * self.shift[:, None])).sum(2, keepdim=True)
        return torch.cat([turn, start], 2)

    def _levels(self, pixels: Tensor, owner: Tensor) -> Tensor:
        """The mean of each row's slices ``[rows]``."""
        rows = torch.arange(len(self.angle), device=owner.device)
        member = (owner == rows[:, None]).float()  # [rows, slices]; summed in one order on every device
        return (member * pixels.mean((1, 2, 3), dtype=torch.float32)).sum(1) / member.sum(1).clamp(min=1)


def _signs(chance: Tensor, allowed: bool) -> Tensor:
    return torch.where(chance < 0.5 * allowed, -1.0, 1.0)


def _each(values: Tensor) -> Tensor:
    """One value a slice, in the shape that meets ``[slices, channels, height, width]``."""
    return values[:, None, None, None]


def _piece(pixels: Tensor) -> int:
    """How many slices are computed at once: on a CPU, as many as its cache holds, which is some times faster."""
    return max(1, 2**17 // pixels[0, 0].numel()) if pixels.device.type == "cpu" else len(pixels)


def _changed(pixels: Tensor, maps: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    moved = _sample(pixels.float(), maps, "bilinear")
    return moved.mul_(factor).add_(offset).clamp_(0, 255).round_().to(torch.uint8)


def _sample(values: Tensor, maps: Tensor, mode: str) -> Tensor:
    """`values` ``[n, channels, height, width]`` read at the places that `maps` ``[n, 2, 3]`` name, 0 outside."""
    height, width = values.shape[2:]
    # functional.affine_grid computes the same as a matrix product over all places, at many times the cost
    x, y = _centres(width, values.device), _centres(height, values.device)
    down = maps[:, :, 1, None, None] * y[:, None] + maps[:, :, 2, None, None]  # [n, 2, height, 1]
    places = maps[:, :, 0, None, None] * x + down
    return functional.grid_sample(values, places.permute(0, 2, 3, 1), mode, "zeros", align_corners=False)


def _centres(side: int, device: torch.device) -> Tensor:
    """The centres of a side's pixels, between its ends -1 and 1."""
    return (2 * torch.arange(side, device=device) + 1) / side - 1


def _check(name: str, given: Tensor, entries: int) -> None:
    if given.shape != (entries,):
        raise ValueError(f"{name} must have shape [{entries}]; got {list(given.shape)}")
