"""What a gradient is taken on: prepared rows, and the micro-batches that are cut from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from medplug.core.backbone import Backbone, Inputs

Labels = tuple[NDArray[Any], NDArray[np.bool_]]
"""Encoded labels, and which of them are known; the others mean nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its prepared item, its label (None: unlabelled), its weight, and each adapter's numbers for it.

    `others` are the labels of the targets that are learned along, and whether each is known.
    """

    item: Any
    label: Any
    weight: float
    source: bool
    reference: Mapping[str, NDArray[np.float32]]
    others: tuple[tuple[Any, bool], ...] = ()


@dataclass(slots=True)
class Rows(Dataset[Row]):
    """Prepared items, the labelled ones first, with their encoded labels.

    `weights` ``[labelled]`` multiply the rows' losses, `sources` ``[labelled]``
    says which are of the source domain (None: no domains were named), and
    `reference` holds ``[rows, k]`` an adapter. `others` are the labels ``[labelled]``
    of each target that is learned along, and which of them are known.
    """

    items: Sequence[Any]
    labels: Sequence[Any] | NDArray[Any]
    weights: NDArray[np.float64] | None = None
    sources: NDArray[np.bool_] | None = None
    reference: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    others: Sequence[Labels] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Row:
        labelled = index < len(self.labels)
        return Row(
            self.items[index],
            self.labels[index] if labelled else None,
            float(self.weights[index]) if labelled and self.weights is not None else 1.0,
            bool(labelled and self.sources is not None and self.sources[index]),
            {name: values[index] for name, values in self.reference.items()},
            tuple((labels[index], bool(known[index])) for labels, known in self.others) if labelled else (),
        )


@dataclass(frozen=True, slots=True)
class OtherLabels:
    """A part's labels of one target that is learned along, and which are `known` ``[labelled]``.

    `share` ``[]`` is the part's share of the rows of the batch whose label is known, 0 where none is.
    """

    labels: Tensor
    known: Tensor
    share: Tensor

    def each(self, move: Callable[[Tensor], Tensor]) -> OtherLabels:
        """The same, each tensor moved."""
        return OtherLabels(move(self.labels), move(self.known), move(self.share))


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a drawn batch, as the model computes them.

    `inputs` are micro-batches of like length with so many rows (`counts`),
    `places` ``[rows]`` bring their outputs into the order of a `Batch`; `share` is
    the part's share of the batch's labelled rows.
    """

    inputs: list[Inputs]
    counts: tuple[int, ...]
    places: Tensor
    labels: Tensor
    weights: Tensor | None
    sources: int
    reference: dict[str, Tensor]
    share: float
    others: tuple[OtherLabels, ...] = ()

    def to(self, device: torch.device) -> Part:
        """The part on the device that computes it."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Part:
        """The part in memory that a GPU reads while it computes."""
        return self._each(Tensor.pin_memory)

    def _each(self, move: Callable[[Tensor], Tensor]) -> Part:
        return replace(
            self,
            inputs=[{name: move(tensor) for name, tensor in inputs.items()} for inputs in self.inputs],
            places=move(self.places),
            labels=move(self.labels),
            weights=None if self.weights is None else move(self.weights),
            reference={name: move(tensor) for name, tensor in self.reference.items()},
            others=tuple(other.each(move) for other in self.others),
        )


class Collate:
    """Cuts drawn rows into micro-batches of similar length, at most `tokens` each, padding counted.

    Each is a part of its own, unless the rows must stay `together` because a
    penalty or the loss compares them with each other.
    """

    def __init__(self, backbone: Backbone, tokens: int, *, together: bool = False, weighted: bool = False) -> None:
        self.backbone, self.tokens = backbone, tokens
        self.together, self.weighted = together, weighted

    def __call__(self, rows: Sequence[Row]) -> list[Part]:
        """The parts of one drawn batch."""
        ordered = sorted(rows, key=lambda row: (row.label is None, not row.source))
        micro = self.backbone.batches([row.item for row in ordered], self.tokens)
        known = [sum(known for _, known in other) for other in _by_target(ordered)]
        if self.together:
            return [self._part(ordered, micro, 1.0, known)]
        return [self._part([ordered[i] for i in np.sort(one)], None, len(one) / len(rows), known) for one in micro]

    def _part(self, rows: list[Row], micro: list[NDArray[np.int64]] | None, share: float, known: list[int]) -> Part:
        groups = [np.arange(len(rows))] if micro is None else micro
        labelled = [row for row in rows if row.label is not None]
        names = rows[0].reference
        return Part(
            inputs=[self.backbone.collate([rows[i].item for i in group]) for group in groups],
            counts=tuple(map(len, groups)),
            places=torch.from_numpy(np.argsort(np.concatenate(groups))),
            labels=_tensor([row.label for row in labelled]),
            weights=torch.tensor([row.weight for row in labelled]) if self.weighted else None,
            sources=sum(row.source for row in rows),
            reference={name: torch.from_numpy(np.stack([row.reference[name] for row in rows])) for name in names},
            share=share,
            others=tuple(_labels(other, whole) for other, whole in zip(_by_target(labelled), known, strict=True)),
        )


def _by_target(rows: list[Row]) -> list[tuple[tuple[Any, bool], ...]]:
    """Of each target that is learned along, what the labelled rows hold."""
    return list(zip(*(row.others for row in rows if row.label is not None), strict=True))


def _labels(other: tuple[tuple[Any, bool], ...], whole: int) -> OtherLabels:
    """Those of a part, where the batch has so many known ones."""
    labels, known = zip(*other, strict=True)
    share = torch.tensor(sum(known) / max(whole, 1))
    return OtherLabels(_tensor(labels), torch.tensor(known), share)


def _tensor(labels: Sequence[Any]) -> Tensor:
    """Encoded labels; numbers in float32, as not every device has more."""
    stacked = torch.from_numpy(np.stack(labels))
    return stacked.float() if stacked.is_floating_point() else stacked
