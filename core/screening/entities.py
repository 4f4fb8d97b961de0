"""A library chunk by chunk: read, standardised, bad rows set aside; by worker processes where it is large."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import polars as pl

from medplug.core.data import cells
from medplug.core.data.problems import SHOWN, Problem, Problems
from medplug.core.screening.sides import Side

_SMALL = 4
"""Chunks that are read before other processes are started, which takes seconds."""


@dataclass(slots=True)
class Chunk:
    """Usable entities of a table: their `values`, row numbers (first data row = 1) and names; and what was bad."""

    values: list[Any]
    rows: list[int]
    names: list[str] | None
    problems: Problems


@dataclass(slots=True)
class SetAside:
    """How many rows of a table were bad, and the first of them with their reasons."""

    table: str
    count: int = 0
    shown: list[Problem] = field(default_factory=list)

    def add(self, problems: Problems) -> None:
        """Count the bad rows of one more chunk."""
        self.count += len(problems.rows)
        self.shown = [*self.shown, *problems.in_order()][:SHOWN]


def read_chunk(side: Side, frame: pl.DataFrame, first: int, table: str) -> Chunk:
    """The entities of a frame whose first row has the number `first` in its table."""
    problems = Problems(table)
    values = side.read(frame, side.column, problems)
    problems.found = [Problem(each.row + first - 1, each.column, each.reason) for each in problems.found]
    bad = {row - first for row in problems.rows}
    kept = [i for i in range(frame.height) if i not in bad]
    names = _names(side, frame)
    return Chunk(
        [values[i] for i in kept],
        [first + i for i in kept],
        None if names is None else [names[i] for i in kept],
        problems,
    )


def _names(side: Side, frame: pl.DataFrame) -> list[str] | None:
    column = next((name for name in side.names if name in frame.columns), None)
    return None if column is None else cells.texts(frame[column], column).fill_null("").to_list()


def read_chunks(side: Side, frames: Iterable[pl.DataFrame], table: str, workers: int = 0) -> Iterator[Chunk]:
    """The entities of each frame, in order.

    With `workers` above 1 a library of more than a few frames is read by so many new
    processes, a few frames ahead of what is asked for.
    """
    jobs = _numbered(side, frames, table)
    here = jobs if workers < 2 else islice(jobs, _SMALL)
    yield from (read_chunk(*job) for job in here)
    following = next(jobs, None)
    if following is not None:
        yield from _read_ahead(following, jobs, workers)


def _read_ahead(first: Job, jobs: Iterator[Job], workers: int) -> Iterator[Chunk]:
    # spawned: a forked child of a process with threads, as torch's and polars', may hang
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Chunk]] = deque([pool.submit(read_chunk, *first)])
        try:
            while waiting:
                for job in islice(jobs, 2 * workers - len(waiting)):
                    waiting.append(pool.submit(read_chunk, *job))
                yield waiting.popleft().result()
        finally:  # whoever asked may have stopped
            pool.shutdown(cancel_futures=True)


Job = tuple[Side, pl.DataFrame, int, str]


def _numbered(side: Side, frames: Iterable[pl.DataFrame], table: str) -> Iterator[Job]:
    first = 1
    for frame in frames:
        yield side, frame, first, table
        first += frame.height
