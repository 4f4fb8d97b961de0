"""Long texts as windows of even length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.explaining.inside import LEFT

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Windows:
    """One text: its windows (token ids, special tokens included), and how long the text was, in tokens.

    Of a pair of texts `types` says of every token which of the two it is read with; none of a single text.
    """

    parts: tuple[Ids, ...]
    tokens: int
    cut: bool
    types: tuple[Ids, ...] = ()

    @property
    def size(self) -> int:
        """Tokens computed for this text, padding counted."""
        return len(self.parts) * max(len(part) for part in self.parts)


def cut_windows(
    ids: Sequence[int], *, room: int, overlap: int, most: int, prefix: Sequence[int], suffix: Sequence[int]
) -> Windows:
    """Cut token ids into the fewest windows of at most `room` ids, as even as can be, each with prefix and suffix.

    Even windows cost no padding and give no window of three last words the
    weight of a full one. At most `most` windows are kept.
    """
    step = room - overlap
    count = max(1, -(-(len(ids) - overlap) // step))
    kept, cut = list(ids), count > most
    if cut:
        count = most
        kept = kept[: room + (most - 1) * step]
    length, longer = divmod(len(kept) + (count - 1) * overlap, count)  # the first `longer` windows hold one id more
    parts, start = [], 0
    for i in range(count):
        stop = start + length + (i < longer)
        parts.append(np.array([*prefix, *kept[start:stop], *suffix], dtype=np.int32))
        start = stop - overlap
    return Windows(tuple(parts), len(ids), cut)


def units_of_windows(
    items: Sequence[Windows], length: int, overlap: int, before: int, behind: int
) -> NDArray[np.int64]:
    """Which row and which token of its text stands at each place of windows so long ``[windows, length, 2]``.

    `LEFT` at the special tokens `before` and `behind`, and at padding; a token that two windows share is one.
    """
    found = np.full((sum(len(item.parts) for item in items), length, 2), LEFT)
    window = 0
    for row, item in enumerate(items):
        first = 0
        for part in item.parts:
            count = len(part) - before - behind
            found[window, before : before + count, 0] = row
            found[window, before : before + count, 1] = np.arange(first, first + count)
            first, window = first + count - overlap, window + 1
    return found
