"""Batches of rows that share what is costly to encode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from medplug.core.joint.backbone import JointBackbone
from medplug.core.joint.cuts import Shared

BLOCK = 16
"""Rows of one item that a batch takes together, unless the run says how many."""
_WORTH, _LEAST = 2.0, 0.25
"""Rows are drawn in blocks where that saves half of the tokens, and this many a row or more."""

Codes = NDArray[np.int64]


class GroupedBatches(Sampler[list[int]]):
    """Batches of `size` rows, drawn in blocks of at most `block` rows that share an item.

    An epoch is one pass over all rows: each item's rows in random order, cut into blocks,
    and the blocks in random order, so that a batch of `size` rows holds about `size` / `block` items.
    `codes` ``[rows]`` says which item each row has. Of several processes each takes its own
    part of the same batches. Depends on the seed and the epoch alone, so a
    resumed run draws as an unbroken one does.
    """

    def __init__(self, codes: Codes, block: int, size: int, *, seed: int, rank: int = 0, world: int = 1) -> None:
        self.codes, self.block, self.size = codes, block, size
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of this epoch next."""
        self.epoch = epoch

    def told(self) -> dict[str, int]:
        """What the report tells of the batches."""
        return {"most rows of one input that a batch takes together": self.block}

    def __len__(self) -> int:
        return -(-len(self.codes) // (self.size * self.world))

    def __iter__(self) -> Iterator[list[int]]:
        order = drawn_in_blocks(self.codes, self.block, np.random.default_rng([self.seed, self.epoch]))
        drawn = self.size * self.world
        for step in range(len(self)):
            rows = order[step * drawn : (step + 1) * drawn]
            rows = np.resize(rows, max(len(rows), self.world))  # a process left without a row takes one again
            yield np.array_split(rows, self.world)[self.rank].tolist()


def drawn_in_blocks(codes: Codes, block: int, draw: np.random.Generator) -> Codes:
    """All rows in an order ``[rows]`` in which those of one item stand in blocks of at most `block`."""
    shuffled = draw.permutation(len(codes))
    grouped = shuffled[np.argsort(codes[shuffled], kind="stable")]  # random rows, one item after the other
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(codes)) - starts[codes[grouped]]
    first = rank % block == 0
    at = draw.permutation(int(first.sum()))[np.cumsum(first) - 1]
    return grouped[np.argsort(at, kind="stable")]


def grouped_by(
    joint: JointBackbone, items: Sequence[dict[str, object]], *, block: int | None, size: int
) -> Codes | None:
    """Which item each row has ``[rows]`` of the slot that gains most from blocks; None where none gains enough.

    With `block` given blocks are drawn wherever they save anything.
    """
    slots = [
        slot
        for (_, part), slot in zip(joint.each(), joint.shared(items).values(), strict=True)
        if any(each.requires_grad for each in part.parameters()) and (slot.codes >= 0).all()
    ]
    draw = np.random.default_rng(0)
    best: tuple[float, Codes] | None = None
    for slot in slots:
        alone = sum(encoded(each, draw.permutation(len(items)), size) for each in slots)
        together = sum(encoded(each, drawn_in_blocks(slot.codes, block or BLOCK, draw), size) for each in slots)
        worth = together < alone if block else alone > max(_WORTH * together, together + _LEAST * len(items))
        if worth and (best is None or together < best[0]):
            best = together, slot.codes
    return None if best is None else best[1]


def encoded(slot: Shared, order: Codes, size: int) -> int:
    """Tokens of a slot that are encoded in an epoch whose batches are cut off `order`, each item once a batch."""
    batch = np.arange(len(order)) // size
    items = np.unique(np.stack([batch, slot.codes[order]]), axis=1)[1]
    return int(slot.costs[items].sum())
