"""One process or several (torchrun, accelerate launch): who writes, and how results come together."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

T = TypeVar("T")

PATIENT_SECONDS = 24 * 3600
"""How long processes wait for each other: the main one judges and writes while the others wait."""


class Processes:
    """The processes of this run. The first one (`main`) alone reads the clock and writes files.

    With `alone` this process works by itself, whatever was started beside it.
    """

    def __init__(self, *, cpu: bool, alone: bool = False) -> None:
        self.world = 1 if alone else int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = 0 if alone else int(os.environ.get("RANK", "0"))
        if self.world > 1 and not distributed.is_initialized():
            from accelerate import PartialState

            PartialState(cpu=cpu, timeout=timedelta(seconds=PATIENT_SECONDS))

    @property
    def main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def agree(self, decide: Callable[[], T]) -> T:
        """The main process decides; all get its answer. Its failure is everyone's failure."""
        if self.world == 1:
            return decide()
        answer: list[Any] = [None, None]
        if self.main:
            try:
                answer = [decide(), None]
            except Exception as error:  # noqa: BLE001 - raised again below, on every process
                answer = [None, error]
        distributed.broadcast_object_list(answer, src=0)
        if answer[1] is not None:
            raise answer[1]
        return answer[0]  # type: ignore[no-any-return]

    def gather(self, mine: T) -> list[T]:
        """What every process holds, in rank order, on every process."""
        if self.world == 1:
            return [mine]
        parts: list[Any] = [None] * self.world
        distributed.all_gather_object(parts, mine)
        return parts


def leave_group() -> None:
    """Part from the other processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def local_device(name: str, processes: Processes) -> torch.device:
    """The device that a configured name means for this process."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and processes.world > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(name)
