"""The figures of a comparison: each run's score, and what it gains over the first, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from medplug.core.comparing.comparison import Comparison
from medplug.core.report.formats import estimate
from medplug.core.report.language import say
from medplug.core.report.names import gain, metric_name
from medplug.core.report.svg import BASELINE, INK, MODEL, Picture, drawing, inline, new_axes

_WIDTH, _A_RUN, _AROUND = 4.6, 0.34, 0.75
_NAME = 28


def pictures(comparison: Comparison) -> list[Picture]:
    """The scores and, where rows are paired, the gains, by the metric that words go by."""
    with drawing():
        return [_values(comparison), *([_gains(comparison)] if comparison.paired else [])]


def _values(comparison: Comparison) -> Picture:
    metric = comparison.metric
    title = say("Scores by {metric}", metric=metric_name(metric, comparison.runs[0].target.kind))
    found = [scores.metrics[metric].as_json() for scores in comparison.scores]
    names = [run.name for run in comparison.runs]
    caption = say("Dots are the runs' scores on the shared test rows, lines their 95 % intervals. Runs can differ "
                  "clearly though these overlap, as all were tested on the same rows.")  # fmt: skip
    colours = [BASELINE, *[MODEL] * (len(names) - 1)]
    return _drawn("scores", title, caption, metric, names, [found], colours)


def _gains(comparison: Comparison) -> Picture:
    metric, first = comparison.metric, comparison.runs[0].name
    title = say(
        "Gain over {first} by {metric}", first=first, metric=metric_name(metric, comparison.runs[0].target.kind)
    )
    others = comparison.scores[1:]
    found = [
        [gain(getattr(scores, part)[metric].as_json(), metric) for scores in others] for part in ("wide", "difference")
    ]
    names = [run.name for run in comparison.runs[1:]]
    caption = say("Dots are paired differences, lines their 95 % intervals; right of 0 the run is better.")
    if len(names) > 1:
        caption += " " + say("Thin lines are the intervals that hold for all runs together.")
    return _drawn("gains", title, caption, metric, names, found, [MODEL] * len(names), zero=True)


def _drawn(
    name: str,
    title: str,
    caption: str,
    metric: str,
    names: Sequence[str],
    layers: Sequence[Sequence[Mapping[str, Any]]],
    colours: Sequence[str],
    *,
    zero: bool = False,
) -> Picture:
    """Intervals below each other; of several layers the last is the thickest."""
    figure, axes = new_axes(_WIDTH, _AROUND + _A_RUN * len(names))
    for thickness, layer in enumerate(layers, start=1):
        width = 1.0 if thickness < len(layers) else 2.2
        for place, (each, colour) in enumerate(zip(layer, colours, strict=True)):
            _interval(axes, place, each, colour, width)
    if zero:
        axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), [_short(each) for each in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(metric_name(metric))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    told = [f"{run} {estimate(each, metric, signed=zero)}" for run, each in zip(names, layers[-1], strict=True)]
    return Picture(name, title, caption, inline(figure, name, title, f"{title}: {'; '.join(told)}."))


def _interval(axes: Axes, place: int, found: Mapping[str, Any], colour: str, width: float) -> None:
    value, (low, high) = found["value"], found["ci95"]
    if value is None:
        return
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=width)
    axes.plot([value], [place], color=colour, marker="o", markersize=5)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"\N{HORIZONTAL ELLIPSIS}{name[-_NAME:]}"
