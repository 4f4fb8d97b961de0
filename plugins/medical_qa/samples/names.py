"""Names that sound like medicine and mean nothing, each once."""

from __future__ import annotations

import random
from collections.abc import Sequence

_FIRST = (
    "tor",
    "bel",
    "mar",
    "vin",
    "kas",
    "dro",
    "lum",
    "zel",
    "fen",
    "gar",
    "hol",
    "pra",
    "sil",
    "quo",
    "nev",
    "tam",
)
_MIDDLE = ("va", "de", "mi", "lo", "ra", "ni", "pe", "su", "ga", "to")


def coined(draw: random.Random, number: int, ends: Sequence[str]) -> list[str]:
    """So many different names, each ending in one of `ends`, capitalised."""
    found: dict[str, None] = {}
    while len(found) < number:
        found[(draw.choice(_FIRST) + draw.choice(_MIDDLE) + draw.choice(ends)).capitalize()] = None
    return list(found)
