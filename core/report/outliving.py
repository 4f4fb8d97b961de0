"""The figure of a predicted risk: how many rows outlive a time, by the risk that the model gave them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.survival import kaplan_meier
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate
from medplug.core.report.language import Later, joined, later, said, say
from medplug.core.report.names import metric_name
from medplug.core.report.svg import BASELINE, INK, MODEL, Picture, inline, new_axes

STEPS = 100
"""Shares are drawn at so many even times: a step at an event's own would tell when a patient had it."""
LEAST_EVENTS = 5

_THIRDS: list[tuple[Later, dict[str, Any]]] = [
    (later("lowest third"), {"color": BASELINE, "linestyle": (0, (4, 2))}),
    (later("middle third"), {"color": INK, "linestyle": (0, (1, 1.5))}),
    (later("highest third"), {"color": MODEL}),
]


def risk_groups(evidence: Evidence) -> Picture:
    """Kaplan-Meier curves of the test rows, in thirds by predicted risk."""
    name, title = "risk-groups", say("Outliving a time, by predicted risk")
    labels, risk = evidence.labels, evidence.probabilities[:, 0]
    thirds = np.searchsorted(np.quantile(risk, [1 / 3, 2 / 3]), risk, side="left")
    events = int(labels[:, 1].sum())
    if events < LEAST_EVENTS or len(np.unique(thirds)) < len(_THIRDS):
        few = say("Not drawn: the test rows have {events}.", events=count(events, "event"))
        why = few if events < LEAST_EVENTS else say("Not drawn: many risks are the same.")
        return Picture(name, title, why, None)
    figure, axes = new_axes(3.9, 3.6)
    told = []
    for number, (label, style) in reversed([*enumerate(_THIRDS)]):
        rows = labels[thirds == number]
        axes.plot(*_curve(rows, float(labels[:, 0].max())), drawstyle="steps-post", label=said(label), **style)
        having, all_rows = count(int(rows[:, 1].sum()), "event"), count(len(rows), "row")
        told.append(say("{third}: {events} in {rows}", third=said(label), events=having, rows=all_rows))
    axes.set(xlabel=say("time"), ylabel=say("share without the event"), ylim=(-0.02, 1.02))
    axes.set_xlim(left=0)
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="lower left")
    caption = say(
        "Kaplan-Meier curves of the test rows, in thirds by predicted risk ({thirds}).", thirds=say("; ").join(told)
    )
    found = evidence.scores["metrics"].get("c_index")
    score = (
        say("The {metric} is {value}.", metric=metric_name("c_index"), value=estimate(found, "c_index"))
        if found
        else ""
    )
    svg = inline(figure, name, title, joined(say("{title}.", title=title), score))
    return Picture(name, title, joined(caption, score), svg)


def _curve(labels: NDArray[np.float64], end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Even times until rows are watched no longer, and the share that outlives each."""
    times, shares = kaplan_meier(labels)
    grid = np.linspace(0, end, STEPS + 1)
    grid = grid[: 1 + int(np.searchsorted(grid, labels[:, 0].max()))]
    return grid, np.concatenate([[1.0], shares])[np.searchsorted(times, grid, side="right")]
