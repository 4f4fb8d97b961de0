"""The figures of a predicted number: predicted against measured, and how far the two are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.statistic import WITHIN_95
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, score
from medplug.core.report.language import joined, say
from medplug.core.report.names import metric_name
from medplug.core.report.svg import INK, MODEL, RULE, Picture, inline, new_axes

MOST_POINTS = 1000
"""More test rows are thinned: no eye sees more, and the page stays small."""
_IN_UNITS = "mae"
"""A difference is written as this metric is."""

_DOT: Any = {"color": MODEL, "marker": "o", "markersize": 2.5, "alpha": 0.5, "linestyle": "none", "markeredgewidth": 0}


def predicted(evidence: Evidence) -> Picture:
    """Predicted against measured, with the line where both are the same."""
    name, title = "predicted", say("Predicted and measured")
    measured, values = _points(evidence)
    bounds = [min(measured.min(), values.min()), max(measured.max(), values.max())]
    figure, axes = new_axes(3.9, 3.6)
    axes.plot(bounds, bounds, color=RULE, linewidth=1)
    axes.plot(measured, values, **_DOT)
    axes.set(xlabel=say("measured"), ylabel=say("predicted"), aspect="equal")
    axes.grid()
    axes.set_axisbelow(True)
    found = evidence.scores["metrics"]
    told = say(", ").join(f"{metric_name(each)} {estimate(found[each], each)}" for each in _told(evidence))
    caption = joined(
        _dots(evidence), say("On the thin line a prediction is right."), say("{told}.", told=_capital(told))
    )
    return Picture(name, title, caption, inline(figure, name, title, say("{title}: {told}.", title=title, told=told)))


def agreement(evidence: Evidence) -> Picture:
    """Differences over means, with the mean difference and the limits of agreement (Bland and Altman, 1986)."""
    name, title = "agreement", say("Differences (Bland-Altman)")
    measured, values = _points(evidence)
    every = evidence.probabilities[:, 0] - evidence.labels
    bias, half = float(every.mean()), WITHIN_95 * float(every.std(ddof=1)) if len(every) > 1 else 0.0
    figure, axes = new_axes(3.9, 3.6)
    axes.axhline(0, color=RULE, linewidth=1)
    axes.plot((measured + values) / 2, values - measured, **_DOT)
    axes.axhline(bias, color=INK, linewidth=1)
    for limit in (bias - half, bias + half):
        axes.axhline(limit, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set(xlabel=say("mean of predicted and measured"), ylabel=say("predicted less measured"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    low, high, mean = (score(each, _IN_UNITS) for each in (bias - half, bias + half, bias))
    told = say(
        "the mean difference is {mean}, the 95 % limits of agreement are {low} and {high}",
        mean=mean,
        low=low,
        high=high,
    )
    caption = joined(_dots(evidence), say("Solid: {told} (dashed, where differences are normal).", told=told))
    return Picture(name, title, caption, inline(figure, name, title, say("{title}: {told}.", title=title, told=told)))


def _points(evidence: Evidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured and predicted numbers of the rows that are drawn, evenly taken in the order of the measured ones."""
    order = np.argsort(evidence.labels, kind="stable")
    if len(order) > MOST_POINTS:
        order = order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(np.int64)]
    return evidence.labels[order], evidence.probabilities[order, 0]


def _dots(evidence: Evidence) -> str:
    rows = len(evidence.labels)
    dots, of_rows = count(min(rows, MOST_POINTS), "dot"), count(rows, "row")
    return say("Each dot is a test row ({dots} for {rows}).", dots=dots, rows=of_rows)


def _told(evidence: Evidence) -> list[str]:
    return [each for each in ("mae", "r2", "pearson") if each in evidence.scores["metrics"]] or [evidence.metric]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
