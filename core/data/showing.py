"""Which categories and words may be named: those of so many patients that they are nobody's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from medplug.core.task import Examples

SHOWN_BY = 10
"""What fewer patients have (rows, where no patients are known) is not named."""


def owners(*parts: Examples) -> list[str]:
    """One owner a row of all these; a row without a group is its own."""
    groups = [group for part in parts for group in part.groups or [""] * len(part)]
    return [f"group {group}" if group else f"row {i}" for i, group in enumerate(groups)]


def of_many(names: Iterable[Iterable[str | None]], owned_by: Sequence[str]) -> set[str]:
    """The names, of those that each row has, that at least `SHOWN_BY` owners have."""
    pairs = {(name, owner) for row, owner in zip(names, owned_by, strict=True) for name in row if name is not None}
    counts = Counter(name for name, _ in pairs)
    return {name for name, count in counts.items() if count >= SHOWN_BY}
