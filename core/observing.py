"""What observers of a run are told: keys, numbers, names and places, never the content of a row.

Everything is a copy that belongs to the observer: changing it changes nothing of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class StartedRun:
    """A run that has begun; each hook of one run is given the same object.

    `keys` holds every key with its value (JSON data; of a table in memory, that it is one) and `origins` where
    those came from that are no defaults. `folder` is where the run will stand once it is finished. `data` maps
    each given table to the SHA-256 of what is read of it, `versions` packages to theirs (None: not installed).
    With `resumed` an unfinished run goes on.
    """

    task: str
    keys: dict[str, Any]
    origins: dict[str, str]
    folder: Path
    data: dict[str, str]
    versions: dict[str, str | None]
    resumed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """A pass over the training rows: its `number` from 1 on, its training ``loss`` and its validation scores.

    Of an ensemble `member` says which one was trained, from 1 on. A head that is fitted in closed form has no epochs.
    """

    number: float
    facts: dict[str, float]
    member: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FinishedRun:
    """A run whose `folder` is whole: the content of its ``metrics.json``, and the seconds of each stage."""

    folder: Path
    metrics: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class FailedRun:
    """A run that ended before it was finished: the error's class and, where it is one of medplug's own, its message.

    What other code raises may quote a row, and its message is left out. `interrupted` says that somebody stopped it.
    """

    error: str
    message: str
    interrupted: bool
