"""What a backbone says of its inside, so that what it reads can be explained without knowing its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.explaining.attribution import Unit

Inputs = dict[str, Tensor]
"""One collated batch of one modality, as backbones take it."""

LEFT = -1
"""The row of a place that is no unit (a separator, padding); explanations leave it as it is."""


@dataclass(frozen=True, slots=True)
class Located:
    """The units of one raw value: their own `words`, and `places` ``[units, 2]`` in its text, in characters.

    None for what has no text. `molecule` is the SMILES where units are its atoms.
    """

    words: tuple[str, ...]
    places: NDArray[np.int64] | None = None
    molecule: str = ""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Units that a layer turns into vectors, one by one; everything behind it is differentiable.

    `layer` gives ``[*places, ...]`` in one forward pass of a batch. ``units(items, inputs)`` gives
    ``[*places, 2]``: whose place it is, the row of the batch and the unit in it, `LEFT` twice for none; several
    places may be of one unit (of windows that overlap). ``located(values)`` tells of raw values, of each as many
    units or more. `baseline` is what a unit's vector is replaced by to leave it out, of the shape behind
    ``[*places]``; None for zeros.
    """

    unit: Unit
    layer: nn.Module
    units: Callable[[Sequence[Any], Inputs], Tensor]
    located: Callable[[Sequence[Any]], list[Located]]
    baseline: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Pictured:
    """Pictures, whose rows ``owner(inputs)`` tells ``[slices]``; ``shown(items)`` gives what the network is given.

    That is uint8 ``[frames, height, width]`` or ``[frames, height, width, 3]`` a row.
    """

    owner: Callable[[Inputs], Tensor]
    shown: Callable[[Sequence[Any]], list[NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True)
class Mapped(Pictured):
    """A network of convolutions: `layer` gives its last maps, ``[slices, channels, height, width]``.

    `last` says that the channels come last.
    """

    layer: nn.Module
    last: bool = False


@dataclass(frozen=True, slots=True)
class Attending(Pictured):
    """A transformer over patches of pictures.

    In one forward pass within ``visible()`` each of `layers` is given attention weights ``[slices, heads, tokens,
    tokens]`` as its first argument, first layer first. The last ``height * width`` tokens (`grid`) are the
    patches, row by row; what is read is the first token, or with `averaged` the mean of the patches.
    """

    layers: tuple[nn.Module, ...]
    grid: tuple[int, int]
    averaged: bool
    visible: Callable[[], AbstractContextManager[Any]]


Inside = Embedded | Mapped | Attending


def units_at(at: Tensor, mask: Tensor, places: int) -> Tensor:
    """The units ``[places, 2]`` of places that `at` names where `mask` is True, both ``[batch, units]``."""
    found = torch.full((places, 2), LEFT, dtype=torch.long, device=at.device)
    found[at[mask]] = mask.nonzero()
    return found


def units_in_place(mask: Tensor) -> Tensor:
    """The units ``[batch, units, 2]`` of places that stand in rows, by the mask ``[batch, units]`` of the real ones."""
    rows, units = (torch.arange(size, device=mask.device) for size in mask.shape)
    grid = torch.stack(torch.meshgrid(rows, units, indexing="ij"), -1)
    return grid.masked_fill(~mask.unsqueeze(-1), LEFT)
