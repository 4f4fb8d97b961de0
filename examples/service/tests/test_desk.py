"""The queue: it works off the event loop, in turn, and does not grow without end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from medplug_service.desk import Busy, Desk


def test_work_runs_on_the_workers_and_so_many_at_once() -> None:
    both = threading.Barrier(2, timeout=10)

    def work() -> str:
        both.wait()  # two must be inside at once
        return threading.current_thread().name

    async def ask() -> list[str]:
        desk = Desk(workers=2, waiting=2)
        names = await asyncio.gather(*(desk.run(work) for _ in range(4)))
        desk.close()
        return names

    assert {name.rpartition("_")[0] for name in asyncio.run(ask())} == {"predict"}


def test_what_is_more_than_may_wait_is_told_to_come_back_and_later_work_is_taken() -> None:
    free = threading.Event()

    async def ask() -> tuple[list[object], int, bool]:
        desk = Desk(workers=1, waiting=2)
        held = [asyncio.ensure_future(desk.run(lambda: free.wait(10))) for _ in range(5)]
        await asyncio.sleep(0)
        inside = desk.inside
        free.set()
        answers = await asyncio.gather(*held, return_exceptions=True)
        again = await desk.run(lambda: True)
        desk.close()
        return list(answers), inside, again

    answers, inside, again = asyncio.run(ask())
    assert [type(answer) for answer in answers] == [bool, bool, bool, Busy, Busy]
    assert inside == 3
    assert again


def test_a_caller_that_gives_up_keeps_its_place_until_the_work_is_done() -> None:
    free = threading.Event()

    async def ask() -> tuple[int, int]:
        desk = Desk(workers=1, waiting=0)
        asked = asyncio.ensure_future(desk.run(lambda: free.wait(10)))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.sleep(0)
        during = desk.inside
        free.set()
        while desk.inside:
            await asyncio.sleep(0.001)
        desk.close()
        return during, desk.inside

    assert asyncio.run(ask()) == (1, 0)


def test_an_error_of_the_work_reaches_the_caller_and_frees_the_place() -> None:
    def work() -> None:
        raise KeyError("why")

    async def ask() -> int:
        desk = Desk(workers=1, waiting=0)
        for _ in range(3):
            with pytest.raises(KeyError):
                await desk.run(work)
            await asyncio.sleep(0)
        desk.close()
        return desk.inside

    assert asyncio.run(ask()) == 0
