"""Which rows are to be explained, as a user names them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import UsageError

_DEFAULT = 3
_PART = re.compile(r"(\d+)(?:-(\d+))?")
_MOST = 10_000
"""Rows that one call explains at most."""


def parse_rows(told: str) -> tuple[int, ...]:
    """Row numbers from ``1,5`` or ``1-3,8``; `UsageError` where it names none."""
    found: list[int] = []
    for part in told.split(","):
        match = _PART.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if first < 1 or last < first or last - first >= _MOST:
            raise UsageError(
                f"--rows {told}: {part.strip() or 'nothing'} is no row; name rows as 1,5 or 1-3 (first row = 1)"
            )
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def places_of(asked: tuple[int, ...] | None, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the rows asked for stand among `rows`, numbers of the rows that could be read; None asks for the first 3.

    `UsageError` for a number that is not there.
    """
    if asked is None:
        return np.arange(min(_DEFAULT, len(rows)))
    place = {number: i for i, number in enumerate(rows.tolist())}
    missing = [str(number) for number in asked if number not in place]
    if missing:
        named = ", ".join(missing[:20])
        raise UsageError(
            f"row(s) {named} cannot be explained: the input has {len(rows)} readable row(s), the first is 1"
        )
    return np.array([place[number] for number in asked], dtype=np.int64)
