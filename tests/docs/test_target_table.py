"""What the plugin page says of reading labels is what there is."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import get_args

from medplug.core.specs import TargetKind

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    _, table = PAGE.split("| kind | a row's label | read by | `Task.target` gives |\n|---|---|---|---|\n")
    return [[*map(str.strip, line.strip("|").split(" | "))] for line in table.split("\n\n")[0].splitlines()]


def test_every_kind_of_target_is_named_once() -> None:
    named = [kind for row in rows() for kind in re.findall(r"`(\w+)`", row[0])]
    (rest,) = re.findall(r"what the other kinds hold \((.*?)\)", PAGE, re.DOTALL)
    assert sorted(named + re.findall(r"`(\w+)`", rest)) == sorted(get_args(TargetKind))


def test_everything_that_reads_a_label_or_makes_a_target_is_there() -> None:
    names = [name for row in rows() for cell in row[1:] for name in re.findall(r"`([\w.]+)`", cell)]
    assert len(names) > 10
    for name in names:
        module, *attributes = name.split(".")
        assert callable(reduce(getattr, attributes, import_module(f"medplug.core.data.{module}"))), name
