"""Names of columns that may mean several."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import filter as matching


class Pattern(str):
    """The name of a column, or a pattern of names as in ``gene_*``, where a mapping of needed columns holds names."""

    __slots__ = ()


def meant(name: str, names: Sequence[str], known: frozenset[str]) -> list[str]:
    """The columns among `names` (`known` holds the same) that a name means: of a `Pattern` those that match, in order.

    What is written like a pattern and is a column's own name means that column. No
    pattern matches a nameless column, as spreadsheets leave them behind.
    """
    if name in known:
        return [name]
    return [each for each in matching(names, name) if each] if isinstance(name, Pattern) else []
