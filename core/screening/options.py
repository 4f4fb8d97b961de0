"""How a screening is done."""

from __future__ import annotations

from dataclasses import dataclass

from medplug.core.errors import UsageError

TOP = 1000
DRAWS = 20
CHUNK = 1024
"""Rows of a library that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How many to keep of each of the few, how to rank, and how to tell the uncertainty.

    `top` are kept for each, of the highest scores or the `lowest`. `draws` of
    dropout, from `seed`, make the spread of those that are kept; None is 20 for one model
    and none for the several of an ensemble, whose own spread then stands there. `on_error` is ``stop``
    or ``skip``. `chunk` rows of the library are in memory at once, and with
    `workers` above 1 a large one is read by so many processes.
    """

    top: int = TOP
    lowest: bool = False
    draws: int | None = None
    seed: int = 0
    on_error: str = "stop"
    chunk: int = CHUNK
    workers: int = 0

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"top={self.top}: at least 1 entity must be kept")
        if self.draws is not None and (self.draws < 0 or self.draws == 1):
            raise UsageError(f"draws={self.draws}: a spread needs at least 2; 0 tells none")

    def draws_of(self, models: int) -> int:
        """How many draws of each of so many models."""
        return (DRAWS if models == 1 else 0) if self.draws is None else self.draws
