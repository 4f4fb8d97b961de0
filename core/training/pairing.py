"""Batches that pair labelled rows with unlabelled rows of the target domain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

LEAST = 8
"""Fewer target rows than this say too little about their domain in one batch."""


class PairedBatches(Sampler[list[int]]):
    """Each batch has `size` labelled rows and unlabelled ones in proportion to how many there are.

    An epoch is one pass over the ``0 .. labelled - 1`` rows. The unlabelled ones
    that follow are then passed over once too, unless a batch would hold fewer
    than `LEAST` of them or more than `size`; `passes` says how often they are
    seen in an epoch. Of several processes each draws its own share of the same
    batches. Depends on the seed and the epoch alone, so a resumed run draws as
    an unbroken one does.
    """

    def __init__(self, labelled: int, unlabelled: int, size: int, *, seed: int, rank: int = 0, world: int = 1) -> None:
        self.labelled, self.unlabelled, self.size = labelled, unlabelled, size
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0
        fair = round(size * unlabelled / labelled)
        self.beside = min(max(fair, min(LEAST, size)), size, unlabelled)
        self.batches = -(-labelled // (size * world))  # as many for each process

    @property
    def passes(self) -> float:
        """How often an unlabelled row is seen in an epoch, on average."""
        return self.batches * self.world * self.beside / self.unlabelled

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of this epoch next."""
        self.epoch = epoch

    def told(self) -> dict[str, float]:
        """What the report tells of the batches."""
        return {
            "target rows drawn beside the labelled ones in a batch": self.beside,
            "passes over them in an epoch": round(self.passes, 2),
        }

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        draw = np.random.default_rng([self.seed, self.epoch])
        labelled = draw.permutation(self.labelled)
        beside = self._stream(draw, self.batches * self.world * self.beside)
        drawn = self.size * self.world
        for step in range(self.batches):
            rows = labelled[step * drawn : (step + 1) * drawn]
            rows = np.resize(rows, max(len(rows), self.world))  # a process left without a row takes one again
            place = (step * self.world + self.rank) * self.beside
            partners = self.labelled + beside[place : place + self.beside]
            yield [*rows[self.rank :: self.world].tolist(), *partners.tolist()]

    def _stream(self, draw: np.random.Generator, count: int) -> NDArray[np.int64]:
        """So many unlabelled rows, none a second time before each was drawn once."""
        rounds = -(-count // self.unlabelled)
        return np.concatenate([draw.permutation(self.unlabelled) for _ in range(rounds)])[:count]
