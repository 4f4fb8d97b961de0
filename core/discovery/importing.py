"""Importing a stranger's module so that it leaves the process as it found it."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from medplug.core.turns import TURN


@contextmanager
def contained() -> Iterator[list[str]]:
    """Keep what strangers' code prints and sets while it is imported from all else.

    What it prints goes to standard error, as tables are written to standard output. Put back are: filters of
    warnings that concern every module, the working folder, torch's default dtype, and the states of random numbers.
    Gives a list that tells at the end what had to be put back, but of random numbers, which are the run's to seed.
    Threads take turns.
    """
    with TURN:
        yield from _put_back_after()


def _put_back_after() -> Iterator[list[str]]:
    told: list[str] = []
    folder, numbers, dtype = _folder(), _numbers(), _dtype()
    filters: list[Any] = []
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            before = list(warnings.filters)
            try:
                yield told
            finally:
                filters = _narrow(before)
                if [each for each in warnings.filters if each not in filters] != before:
                    told.append("the filters of warnings of every module")
    finally:
        warnings.filters[:0] = filters  # type: ignore[index]  # a list, which typeshed calls a sequence
        if folder is not None and _folder() != folder:
            os.chdir(folder)
            told.append("the working folder")
        _put_back(numbers)
        if (now := _dtype()) != dtype:
            sys.modules["torch"].set_default_dtype(dtype or sys.modules["torch"].float32)
            if dtype is not None or now != sys.modules["torch"].float32:
                told.append(f"torch's default dtype (to {now})")


def imported(module: str) -> ModuleType:
    """A module; one of others that was not imported yet is `contained`."""
    if module in sys.modules or module.partition(".")[0] == __name__.partition(".")[0]:
        return import_module(module)
    with contained():
        return import_module(module)


def _narrow(before: list[Any]) -> list[Any]:
    """The new filters that concern some messages, some modules or a package's own categories alone."""
    new = [each for each in warnings.filters if each not in before]
    return [each for each in new if each[1] or each[3] or each[2].__module__ != "builtins"]


def _folder() -> Path | None:
    """The working folder; None where it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _dtype() -> Any:
    """The default dtype of torch; None where torch is not imported."""
    torch = sys.modules.get("torch")
    return torch.get_default_dtype() if torch is not None and hasattr(torch, "get_default_dtype") else None


def _numbers() -> dict[str, Any]:
    """The states of the generators of random numbers that are there."""
    known = {name: sys.modules.get(name) for name in ("numpy.random", "torch")}
    states: dict[str, Any] = {"random": random.getstate()}
    if known["numpy.random"] is not None:
        states["numpy"] = known["numpy.random"].get_state()
    if known["torch"] is not None and hasattr(known["torch"], "get_rng_state"):
        states["torch"] = known["torch"].get_rng_state()
    return states


def _put_back(states: dict[str, Any]) -> None:
    random.setstate(states["random"])
    if "numpy" in states:
        sys.modules["numpy.random"].set_state(states["numpy"])
    if "torch" in states:
        sys.modules["torch"].set_rng_state(states["torch"])
