"""What a task's rows are about, in the words of its field, for what reports say of every task alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What a row of ``data.group`` belongs to (`group`, of several `groups`), and whom rows are about (`subjects`).

    `same` is when two inputs count as the same, and `ungrouped` what follows where
    no groups were given.
    """

    group: str = "patient"
    groups: str = "patients"
    subjects: str = "your patients"
    same: str = (
        "texts after Unicode normalisation, letter case and white space are made equal; other inputs byte by byte"
    )
    ungrouped: str = "rows are the unit of splits and intervals, and the same patient may be on both sides"
