"""What the rows of each split are like, and how many lack what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import plain, share, undefined
from medplug.core.report.language import say
from medplug.core.report.retold import retold
from medplug.core.report.section import Section
from medplug.core.report.tables import Table

_SHOWN = 40


def section(evidence: Evidence) -> Section | None:
    """One table, a column for each split; None where nothing was measured."""
    found = evidence.scores.get("characteristics")
    if not found or not found["features"]:
        return None
    told = [
        say(
            "Of numbers the mean and, in brackets, the standard deviation; of categories how many rows have each, by "
            "name where 10 rows or more do. Missing values are counted where there are any."
        )
    ]
    if len(found["features"]) > _SHOWN:
        more = say(
            "The first {shown} of {all:,} are shown; metrics.json has more.", shown=_SHOWN, all=len(found["features"])
        )
        told.append(more)
    return Section("characteristics", say("Characteristics of the rows"), tuple(told), tables=(_table(found),))


def _table(found: Mapping[str, Any]) -> Table:
    splits = list(found["rows"])
    rows = [[say("rows looked at"), *(f"{found['rows'][split]:,}" for split in splits)]]
    for feature in found["features"][:_SHOWN]:
        rows += _rows(feature["name"], [feature["splits"].get(split) for split in splits])
    return Table(say("Characteristics by split"), [say("feature"), *(retold(each) for each in splits)], rows)


def _rows(name: str, cells: list[dict[str, Any] | None]) -> list[list[str]]:
    """The rows of one feature: its numbers or its categories, and how many rows lack it."""
    told = [each for each in cells if each is not None]
    if "names" not in told[0]:
        rows = [[name, *(_number(each) for each in cells)]]
    else:
        names = list(dict.fromkeys(category for each in told for category in each["names"]))
        rows = [
            [f"{name}: {category}", *(_counted(each, each["names"][category] if each else 0) for each in cells)]
            for category in names
        ]
        if any(each["other"] for each in told):
            rows.append([say("{name}: another", name=name), *(_counted(e, e["other"] if e else 0) for e in cells)])
    if any(each["missing"] for each in told):
        rows.append([say("{name}: missing", name=name), *(_counted(e, e["missing"] if e else 0) for e in cells)])
    return rows


def _number(told: Mapping[str, Any] | None) -> str:
    if told is None or told["mean"] is None:
        return undefined()
    return f"{plain(told['mean'], 4)} ({plain(told['deviation'], 3)})"


def _counted(told: Mapping[str, Any] | None, rows: int) -> str:
    return undefined() if told is None else f"{rows:,} ({share(rows, told['rows'])})"
