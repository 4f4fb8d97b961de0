"""Batches of rows that share entities, under a token budget that counts each entity once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.batches import Positions, budget_batches

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shared:
    """One slot of some rows: which item each has, and what each item costs.

    `codes` ``[rows]`` are places in `costs` ``[items]``, -1 for none.
    """

    codes: Codes
    costs: Codes

    @classmethod
    def of(cls, items: Sequence[object | None], costs: Mapping[int, int]) -> Shared:
        """From one item a row and the cost of each by its `id`: an item that rows share is one object."""
        places = {key: place for place, key in enumerate(costs)}
        codes = [-1 if item is None else places[id(item)] for item in items]
        return cls(np.array(codes, dtype=np.int64), np.array(list(costs.values()), dtype=np.int64))

    @property
    def by_row(self) -> Codes:
        """What each row's item costs ``[rows]``, 0 where it has none."""
        return np.append(self.costs, 0)[self.codes]

    @property
    def saved(self) -> int:
        """What is saved by encoding each item once and not once a row."""
        return int(self.by_row.sum() - self.costs.sum())


def shared_batches(slots: Sequence[Shared], *, budget: int, by_row: bool) -> list[Positions]:
    """Cut rows into batches that cost at most `budget`, padding counted, where an item costs once a batch.

    Rows that share the items which are worth most stand together, those with the costliest
    first. With `by_row` every row also costs all that it holds, as a fusion of tokens reads
    it row by row. A row that costs more than the budget stands alone. Every position comes
    exactly once. Raises ValueError for a budget below one.
    """
    whole = np.sum([slot.by_row for slot in slots], axis=0)
    if by_row or not any(slot.saved for slot in slots):
        return _by_cost(slots, whole, budget)
    if budget < 1:
        raise ValueError("budget must be at least 1")
    keys = [key for slot in sorted(slots, key=lambda slot: slot.saved) for key in (slot.codes, -slot.by_row)]
    order = np.lexsort(keys)
    codes, costs = np.stack([slot.codes for slot in slots]), [slot.costs.tolist() for slot in slots]
    batches, start, batch = [], 0, _Batch(len(slots))
    for place, row in enumerate(codes[:, order].T.tolist()):
        if not batch.takes(row, costs, budget) and place > start:
            batches.append(order[start:place])
            start, batch = place, _Batch(len(slots))
            batch.takes(row, costs, budget)
    return [*batches, order[start:]] if len(order) else []


def _by_cost(slots: Sequence[Shared], whole: Codes, budget: int) -> list[Positions]:
    """Rows of like cost together and, of equal ones, those that share the costliest items."""
    main = max(slots, key=lambda slot: slot.saved)
    order = np.lexsort([main.codes, -main.by_row])
    return [order[batch] for batch in budget_batches(whole[order], budget=budget)]


@dataclass(slots=True)
class _Batch:
    """A batch that grows: the items of each slot in it, and the costliest of each."""

    slots: int
    items: list[set[int]] = field(default_factory=list)
    most: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.items, self.most = [set() for _ in range(self.slots)], [0] * self.slots

    def takes(self, row: Sequence[int], costs: Sequence[Sequence[int]], budget: int) -> bool:
        """Take a row in, and say whether the batch keeps within the budget with it."""
        total = 0
        for slot, code in enumerate(row):
            if code >= 0:
                self.items[slot].add(code)
                self.most[slot] = max(self.most[slot], costs[slot][code])
            total += len(self.items[slot]) * self.most[slot]
        return total <= budget
