"""Signs of life from a run, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage a run is in and how far it is (`total` 0: not known); `facts` holds an epoch's numbers."""

    stage: str
    done: int = 0
    total: int = 0
    facts: dict[str, float] = field(default_factory=dict)


Watch = Callable[[Progress], None]
"""Called with each sign."""
