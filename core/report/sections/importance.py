"""Which inputs the model relies on: what its metric loses where one of them tells of another row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate
from medplug.core.report.language import say
from medplug.core.report.names import metric_name
from medplug.core.report.section import Section
from medplug.core.report.svg import INK, MODEL, RULE, Picture, drawing, inline, new_axes
from medplug.core.report.tables import Table

_DRAWN, _LISTED, _FOLDED = 20, 20, 200
_NAME = 28


def section(evidence: Evidence) -> Section | None:
    """A figure and tables of the slots and of the columns; None where nothing could change places."""
    found = evidence.scores.get("importance")
    if found is None:
        return None
    name = metric_name(found["metric"], evidence.target.kind)
    rows = count(found["rows"], "test row")
    told = (
        say(
            "For each input, its values change places among {rows}, {repeats} times over, and the table says how much "
            "worse {metric} then is: the more, the more the model relies on it. Nothing is said of causes, and two "
            "inputs that tell the same may both seem unneeded.",
            rows=rows,
            repeats=found["repeats"],
            metric=name,
        ),
    )
    units = ranked(found)
    shown, folded = units[:_LISTED], units[_LISTED : _LISTED + _FOLDED]
    further = (_table(evidence, folded, say("Further inputs")),) if folded else ()
    main = _table(evidence, shown, say("How much worse {metric} is without what each input tells", metric=name))
    return Section("importance", say("What the model relies on"), told, (_picture(evidence, units),), (main,), further)


def ranked(found: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Every input as its name, its slot and its estimate: first the slots, then columns, each from the most down."""
    slots = [(slot, "", each) for slot, each in found["slots"].items()]
    columns = [(name, slot, each) for slot, inside in found["columns"].items() for name, each in inside.items()]
    return [*sorted(slots, key=_least), *sorted(columns, key=_least)]


def _least(unit: tuple[str, str, Mapping[str, Any]]) -> float:
    value = unit[2]["value"]
    return np.inf if value is None else -value


def _named(name: str, slot: str, evidence: Evidence) -> str:
    several = len(evidence.scores["importance"]["columns"]) > 1
    if not slot:
        return say("all of {slot}", slot=name)
    return f"{slot}: {name}" if several else name


def _table(evidence: Evidence, units: list[tuple[str, str, Mapping[str, Any]]], caption: str) -> Table:
    metric = evidence.scores["importance"]["metric"]
    rows = [[_named(name, slot, evidence), estimate(each, metric, signed=True)] for name, slot, each in units]
    header = [say("input"), say("{metric} is worse by", metric=metric_name(metric, evidence.target.kind))]
    notes = [say("Intervals are those of other test rows, and not of another training or other changes of places.")]
    return Table(caption, header, rows, notes=notes)


def _picture(evidence: Evidence, units: list[tuple[str, str, Mapping[str, Any]]]) -> Picture:
    """Values with their intervals, the greatest at the top."""
    title = say("What the model relies on")
    drawn = [unit for unit in units if unit[2]["value"] is not None][:_DRAWN]
    metric = metric_name(evidence.scores["importance"]["metric"], evidence.target.kind)
    if not drawn:
        return Picture("importance", title, say("Not drawn: no value is defined."), None)
    names = [_short(_named(name, slot, evidence)) for name, slot, _ in drawn]
    value = np.array([each["value"] for _, _, each in drawn])
    bounds = np.array([[np.nan if b is None else b for b in each["ci95"]] for _, _, each in drawn])
    with drawing():
        figure, axes = new_axes(6.0, 0.9 + 0.24 * len(drawn))
        places = np.arange(len(drawn))
        axes.axvline(0, color=RULE, linewidth=1)
        axes.hlines(places, bounds[:, 0], bounds[:, 1], color=INK, linewidth=1)
        axes.plot(value, places, "o", color=MODEL, markersize=5)
        axes.set_yticks(places, names)
        axes.set(ylim=(len(drawn) - 0.4, -0.6), xlabel=say("{metric} is worse by", metric=metric))
        axes.tick_params(axis="y", length=0)
        first = names[0]
        told = say("Dots are the mean loss, lines its 95 % interval. The most is lost without {first}.", first=first)
        return Picture("importance", title, told, inline(figure, "importance", title, told))


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
