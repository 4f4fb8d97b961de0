"""Which rows must not be parted between splits: those that share a context, a question or a passage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medplug.core.data.entities import distinct

Shared = Sequence[tuple[bytes, ...]]
"""Of each row the contents that tie it to other rows."""


def joined(shared: Shared, groups: Sequence[str] | None) -> list[str]:
    """One key a row, equal for two rows that share a content or a group, also by way of further rows.

    A row without a group, and one that shares nothing, has a key of its own.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    named = groups or [""] * len(shared)
    ties = [(*each, *((f"group {group}",) if group else ())) for each, group in zip(shared, named, strict=True)]
    rows = np.array([row for row, each in enumerate(ties) for _ in each], dtype=np.int64)
    contents, at = distinct([content for each in ties for content in each])
    size = len(ties) + len(contents)
    links = coo_matrix((np.ones(len(rows), np.int8), (rows, len(ties) + at)), shape=(size, size))
    return [str(number) for number in connected_components(links, directed=False)[1][: len(ties)]]
