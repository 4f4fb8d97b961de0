"""Where requests are worked on: a few threads, and a queue that does not grow without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class Busy(Exception):
    """So many requests wait that this one should come back later."""


class Desk:
    """Runs work on `workers` threads, off the event loop; up to `waiting` further requests wait their turn.

    To be used from one event loop.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._most, self._inside = workers + waiting, 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="predict")

    @property
    def inside(self) -> int:
        """How many requests are worked on or wait."""
        return self._inside

    async def run(self, work: Callable[[], _T]) -> _T:
        """What `work` gives, once a thread was free for it; raises `Busy` at once where too many wait."""
        if self._inside >= self._most:
            raise Busy
        self._inside += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._leave)  # not when the caller gives up: the thread works on
        return await asyncio.shield(future)

    def _leave(self, _: object) -> None:
        self._inside -= 1

    def close(self) -> None:
        """Finish what is worked on and take nothing more."""
        self._threads.shutdown(cancel_futures=True)
