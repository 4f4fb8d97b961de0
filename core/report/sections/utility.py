"""Decision curves: what acting on the model is worth, beside acting on every row and on none."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import number
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.svg import BASELINE, INK, MODEL, RULE, Picture, drawing, inline
from medplug.core.report.tables import Table

SHOWN = (0.05, 0.11, 0.21, 0.31, 0.51, 0.71)
"""Thresholds in the table."""
_PANEL = 3.1


def section(evidence: Evidence) -> Section | None:
    """Net benefit by class; None for kinds without classes, or with too many."""
    found = evidence.scores.get("utility")
    if found is None:
        return None
    told = say(
        "Who acts from a probability t on takes one true positive to be worth (1 \N{MINUS SIGN} t) / t false ones. The "
        "net benefit is true positives less false ones at that price, a row; the model is of use where it is above "
        "both acting on every row and acting on none (Vickers and Elkin, 2006). Which t is right is for "
        "clinicians to say."
    )
    tables = tuple(_table(evidence, name) for name in found["by_class"])
    few = len(tables) == 1
    return Section(
        "utility",
        say("Clinical utility"),
        (told, *_useful(evidence)),
        pictures=(_curves(evidence),),
        tables=tables if few else (),
        folded=() if few else tables,
    )


def _useful(evidence: Evidence) -> list[str]:
    """Where the model's curve is the highest, of a binary target."""
    found = evidence.scores["utility"]
    if len(found["by_class"]) != 1:
        return []
    (curves,) = found["by_class"].values()
    model, every, linear = (np.array(curves[who]["value"], dtype=float) for who in ("model", "all", "linear"))
    best = model > np.maximum(np.maximum(every, linear), 0)
    if not best.any():
        return [say("At no threshold that was looked at is its net benefit above all the others'.")]
    at = np.array(found["thresholds"])[best]
    return [
        say(
            "Its net benefit is above that of acting on all, on none and by the linear baseline at {n} of {all} "
            "thresholds, between {low} and {high}.",
            n=int(best.sum()),
            all=len(best),
            low=number(float(at[0]), decimals=2),
            high=number(float(at[-1]), decimals=2),
        )
    ]


def _table(evidence: Evidence, name: str) -> Table:
    found = evidence.scores["utility"]
    curves, thresholds = found["by_class"][name], found["thresholds"]
    rows = []
    for at in SHOWN:
        i = thresholds.index(at)
        rows.append([number(at, decimals=2), *(_at(curves[who], i) for who in ("model", "linear", "all"))])
    header = [say("threshold"), say("model"), say("linear baseline"), say("acting on all")]
    return Table(say("Net benefit of acting on {name}", name=name), header, rows)


def _at(curve: dict[str, Any], i: int) -> str:
    value, low, high = (number(curve[part][i]) for part in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _curves(evidence: Evidence) -> Picture:
    name, title = "decision-curve", say("Decision curve")
    found = evidence.scores["utility"]
    by_class = found["by_class"]
    across = min(len(by_class), 2)
    down = -(-len(by_class) // across)
    with drawing():
        figure = Figure(figsize=(4.6 if across == 1 else _PANEL * across, 3.4 * down), layout="constrained")
        panels = np.atleast_1d(figure.subplots(down, across, squeeze=False)).ravel()
        for axes, (each, curves) in zip(panels, by_class.items(), strict=False):
            _panel(axes, found["thresholds"], curves)
            if len(by_class) > 1:
                axes.set_title(each if len(each) <= 30 else each[:29] + "\N{HORIZONTAL ELLIPSIS}")
        for axes in panels[len(by_class) :]:
            axes.set_visible(False)
        panels[0].legend(loc="upper right")
        caption = say(
            "Net benefit by the probability from which one would act, with 95 % bands of the model. Acting on none "
            "is 0."
        )
        return Picture(name, title, caption, inline(figure, name, title, caption))


def _panel(axes: Axes, thresholds: list[float], curves: dict[str, Any]) -> None:
    axes.axhline(0, color=RULE, linewidth=1)
    model = curves["model"]
    axes.plot(
        thresholds,
        curves["all"]["value"],
        color=INK,
        linewidth=0.9,
        linestyle=(0, (1, 1.5)),
        label=say("acting on all"),
    )
    axes.plot(
        thresholds, curves["linear"]["value"], color=BASELINE, linestyle=(0, (4, 2)), label=say("linear baseline")
    )
    axes.fill_between(
        thresholds, np.array(model["low"], float), np.array(model["high"], float), color=MODEL, alpha=0.18, linewidth=0
    )
    axes.plot(thresholds, model["value"], color=MODEL, label=say("model"))
    top = max(0.01, *(each for each in (*model["high"], *curves["all"]["value"]) if each is not None))
    axes.set(xlim=(0, 1), ylim=(-0.35 * top, 1.1 * top), xlabel=say("threshold probability"), ylabel=say("net benefit"))
    axes.grid()
    axes.set_axisbelow(True)
