"""Whose rows are whose: how many patients have something, where one patient may have many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medplug.core.task import Examples

NAMED_BY = 10
"""What fewer owners have (a word, a category) is not named: it may be a patient's."""


def owners_of(parts: Sequence[Examples]) -> list[str]:
    """One owner a row of all parts, one after the other: its group, or itself where it has none."""
    groups = [group for part in parts for group in part.groups or [""] * len(part)]
    return [f"group {group}" if group else f"row {i}" for i, group in enumerate(groups)]


def owned_by(owners: Sequence[str], things: Sequence[Iterable[str]]) -> Counter[str]:
    """How many owners have each of the things that rows have: one patient's many notes are not many patients."""
    by_owner: dict[str, set[str]] = {}
    for owner, each in zip(owners, things, strict=True):
        by_owner.setdefault(owner, set()).update(each)
    return Counter(thing for each in by_owner.values() for thing in each)
