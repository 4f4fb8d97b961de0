"""A screening as the command line asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from medplug.core.api import load
from medplug.core.errors import UsageError
from medplug.core.screening.entities import SetAside
from medplug.core.screening.options import Screen
from medplug.core.terminal import counting

_MOST = 8
"""Processes that read a large library at most."""


def screen_files(
    folder: Path, library: Path, given: Mapping[str, Any], *, on_error: str, device: str, root: Path | None
) -> tuple[pl.DataFrame, list[str]]:
    """Screen with the options that were `given`: the ranked frame, and what there is to say of it.

    Raises `UsageError` for options that do not go together.

    `given` are `against`, `members`, `masks` and the fields of `Screen`, by name.
    """
    asked = dict(given)
    masks, against, members = asked.pop("masks"), asked.pop("against", None), asked.pop("members", ())
    if against is None:
        words = {"members": "--with"}
        first = next(name for name in given if name != "masks")
        raise UsageError(
            f"{words.get(first, f'--{first}')} is for a screening; name what to screen against: --against FILE"
        )
    if masks is not None:
        raise UsageError("--masks is for images and --against for pairs; leave one out")
    how = Screen(**asked, on_error=on_error, workers=min(_MOST, os.cpu_count() or 1))
    folders = [each.resolve() for each in (folder, *members)]
    if len(set(folders)) < len(folders):
        raise UsageError("--with names a run that is there already; an ensemble is made of different runs")
    predictors = [load(each, device=device, root=root) for each in (folder, *members)]
    from medplug.core.screening.screen import screen

    with counting(sys.stderr, "screening") as report:
        found = screen(predictors, library, against, how, report)
    told = [line for each in found.set_aside for line in _told(each)]
    return found.frame, [*told, f"{found.scored} scored, {found.frame.height} kept", *filter(None, [found.spread])]


def _told(aside: SetAside) -> list[str]:
    shown = [f"  row {problem.row}, column {problem.column}: {problem.reason}" for problem in aside.shown]
    return [f"{aside.table}: {aside.count} row(s) set aside:", *shown]
