"""How far sites and other subgroups are apart: random effects over their scores, with a forest plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, number
from medplug.core.report.language import say
from medplug.core.report.names import metric_name
from medplug.core.report.section import Section
from medplug.core.report.svg import INK, MODEL, RULE, Picture, drawing, inline, new_axes
from medplug.core.report.tables import MOST_PARTS, Table

_NAME = 26
_ENOUGH = 3
"""Parts that a prediction interval needs."""


def section(evidence: Evidence) -> Section | None:
    """A table a column, and a forest plot of the metric that the model is chosen by; None without subgroups."""
    found = evidence.scores.get("heterogeneity")
    if not found:
        return None
    told = say(
        "The scores of the parts are pooled by random effects (DerSimonian and Laird, 1986; the interval of the mean "
        "is Hartung and Knapp's). I\N{SUPERSCRIPT TWO} is the share of the differences that chance does not explain; "
        "the prediction interval is where the score of a further part is to be expected. Of few parts "
        "both are uncertain."
    )
    few = say(
        "Two parts say next to nothing of how far parts differ: the interval of their mean, which allows for that, is "
        "very wide, and that of a further part is not defined."
    )
    fewest = min(each["parts"] for metrics in found.values() for each in metrics.values())
    pictures = [_forest(evidence, column) for column, each in found.items() if evidence.metric in each]
    tables = tuple(_table(evidence, column) for column in found)
    return Section(
        "sites",
        say("Differences between sites and subgroups"),
        (told, few) if fewest < _ENOUGH else (told,),
        tuple(pictures),
        tables,
    )


def _table(evidence: Evidence, column: str) -> Table:
    rows, found = [], evidence.scores["heterogeneity"][column]
    for metric, each in found.items():
        low, high = (number(bound) for bound in each["prediction"])
        further = say("of 3 parts or more") if None in each["prediction"] else f"{low} \N{EN DASH} {high}"
        q = say("{q} (p {p})", q=number(each["q"], decimals=1), p=number(each["p"]))
        told = [metric_name(metric), str(each["parts"]), estimate(each["mean"]), further]
        rows.append([*told, f"{100 * each['i2']:.0f} %", number(each["tau2"]), q])
    header = [say("metric"), say("parts"), say("mean"), say("prediction interval"), "I\N{SUPERSCRIPT TWO}"]
    left = {name for each in found.values() for name in each["left_out"]}
    few = say("Left out, as their score or its interval is not defined: {parts}.", parts=count(len(left), "part"))
    caption = say("Differences by {column}", column=column)
    return Table(
        caption, [*header, "\N{GREEK SMALL LETTER TAU}\N{SUPERSCRIPT TWO}", "Q"], rows, notes=[few] if left else []
    )


def _forest(evidence: Evidence, column: str) -> Picture:
    name, title = f"forest-{[*evidence.scores['heterogeneity']].index(column)}", say("By {column}", column=column)
    parts, metric = evidence.scores["by_group"][column], evidence.metric
    pooled = evidence.scores["heterogeneity"][column][metric]
    if len(parts) > MOST_PARTS:
        return Picture(name, title, say("Not drawn for {n} parts; see the table.", n=len(parts)), None)
    with drawing():
        figure, axes = new_axes(4.6, 1.3 + 0.26 * len(parts))
        for row, part in enumerate(parts.values()):
            _mark(axes, row, part["metrics"][metric], MODEL)
        bottom = len(parts) + 0.4
        _mark(axes, bottom, pooled["mean"], INK)
        foreseen = None not in pooled["prediction"]
        if foreseen:
            axes.plot(pooled["prediction"], [bottom + 0.8] * 2, color=INK, linewidth=1.2, linestyle=(0, (2, 1.5)))
        axes.axvline(pooled["mean"]["value"], color=RULE, linewidth=0.9, zorder=0)
        labels = [_short(f"{each} ({part['n']:,})") for each, part in parts.items()]
        below = [(bottom, say("mean")), *([(bottom + 0.8, say("a further one"))] if foreseen else [])]
        places, named = zip(*below, strict=True)
        axes.set_yticks([*range(len(parts)), *places], [*labels, *named])
        axes.set(ylim=(places[-1] + 0.5, -0.6), xlabel=metric_name(metric))
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        caption = say(
            "{metric} of each part of {column} (test rows in brackets) with 95 % intervals, their mean, and where a "
            "further part is to be expected (dashed)."
            if foreseen
            else "{metric} of each part of {column} (test rows in brackets) with 95 % intervals, and their mean.",
            metric=metric_name(metric),
            column=column,
        )
        return Picture(name, title, caption, inline(figure, name, title, caption))


def _mark(axes: Any, row: float, found: Mapping[str, Any], colour: str) -> None:
    if found["value"] is None:
        return
    low, high = (found["value"] if bound is None else bound for bound in found["ci95"])
    axes.plot([low, high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
    axes.plot([found["value"]], [row], color=colour, marker="s", markersize=4.5)


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _NAME else line[: _NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
