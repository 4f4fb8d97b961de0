"""The tables and the figure of single entities, as drugs and proteins: how the scores lie, and the best and worst."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.entities import LEAST_ROWS, EntityScores
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, score
from medplug.core.report.language import later, said, say
from medplug.core.report.names import greater_is_better, metric_name
from medplug.core.report.retold import retold
from medplug.core.report.svg import BASELINE, MODEL, Picture, drawing, inline, new_axes
from medplug.core.report.tables import LOWER, Table

MOST_NAMED = 10
"""So many of the best are listed, and so many of the worst."""
LEAST_DRAWN = 5
_SHOWN = 3
_TOLD = {"binary": later("positive"), "regression": later("spread of labels")}
_STYLES: tuple[dict[str, Any], ...] = ({"color": MODEL}, {"color": BASELINE, "linestyle": (0, (4, 2))})


def entity_heading(evidence: Evidence) -> str:
    """``drug and protein``; empty where no entity is told of."""
    return say(" and ").join(retold(each.slot) for each in evidence.entities)


def entity_tables(evidence: Evidence) -> list[Table]:
    """Of each slot how every metric lies over its entities, and then the best and the worst of them."""
    tables = []
    for each in evidence.entities:
        tables += [_spread(evidence, each), *([_extremes(evidence, each)] if _order(evidence, each).size else [])]
    return tables


def entity_spreads(evidence: Evidence) -> list[Table]:
    """Of each slot how every metric lies over its entities."""
    return [_spread(evidence, each) for each in evidence.entities]


def entity_pictures(evidence: Evidence) -> list[Picture]:
    """The share of entities that score no more, by slot; nothing where hardly any is scored."""
    drawn = [each for each in evidence.entities if _order(evidence, each).size >= LEAST_DRAWN]
    if not drawn:
        return []
    with drawing():
        return [_shares(evidence, drawn)]


def _spread(evidence: Evidence, each: EntityScores) -> Table:
    kind, found = evidence.target.kind, evidence.scores["by_entity"][each.slot]
    slot = retold(each.slot)
    header = [say("metric"), say("{slot}s where it is defined", slot=slot), say("macro average"), say("lower quartile")]
    header += [say("median"), say("upper quartile"), say("all rows together")]
    rows = []
    for metric, spread in found["metrics"].items():
        told = [spread["mean"], *(spread["quartiles"] or [None] * 3), evidence.scores["metrics"][metric]["value"]]
        name = metric_name(metric, kind) + ("" if greater_is_better(metric) else f" {LOWER}")
        rows.append([name, f"{spread['n']:,}", *(score(value, metric) for value in told)])
    facts = {"slot": slot, "scored": found["scored"], "entities": found["entities"], "least": LEAST_ROWS}
    caption = say("Scores by {slot}: {scored:,} of {entities:,} have {least} test rows or more", **facts)
    if not found["scored"]:
        note = say("No {slot} of {entities:,} has {least} test rows, the fewest that are scored.", **facts)
        return Table(caption, header, [], notes=[note])
    return Table(caption, header, rows)


def _extremes(evidence: Evidence, each: EntityScores) -> Table:
    """The best and the worst by the metric that models were chosen by."""
    kind, order = evidence.target.kind, _order(evidence, each)
    best = min(MOST_NAMED, (len(order) + 1) // 2)
    worst = min(MOST_NAMED, len(order) - best)
    shown = list(dict.fromkeys([evidence.metric, *each.values]))[:_SHOWN]
    header = [retold(each.slot), say("place"), say("first in row"), say("test rows")]
    header += [said(_TOLD[kind])] if kind in _TOLD else []
    header += [metric_name(metric, kind) for metric in shown]
    rows = []
    for place in [*range(best), *range(len(order) - worst, len(order))]:
        at = order[place]
        cells = [each.names[at], f"{place + 1:,}", f"{each.first[at]:,}", f"{each.rows[at]:,}"]
        if each.told is not None:
            cells.append(f"{each.told[at]:,.0f}" if kind == "binary" else score(float(each.told[at]), evidence.metric))
        rows.append([*cells, *(score(float(each.values[metric][at]), metric) for metric in shown)])
    name = metric_name(evidence.metric, kind)
    caption = say(
        "The best {best} and the worst {worst} of {entities} by {metric}"
        if best + worst < len(order)
        else "All {entities} by {metric}",
        best=best,
        worst=worst,
        entities=count(len(order), each.slot),
        metric=name,
    )
    return Table(caption, header, rows)


def _order(evidence: Evidence, each: EntityScores) -> NDArray[np.int64]:
    """The entities where the metric is defined, the best first."""
    values = each.values[evidence.metric]
    order = np.argsort(-values if greater_is_better(evidence.metric) else values, kind="stable")
    return order[~np.isnan(values[order])]


def _shares(evidence: Evidence, drawn: list[EntityScores]) -> Picture:
    name, metric = "entities", metric_name(evidence.metric, evidence.target.kind)
    slots = say(" and each ").join(retold(each.slot) for each in drawn)
    title = say("{metric} of each {slots}", metric=metric[:1].upper() + metric[1:], slots=slots)
    figure, axes = new_axes(3.9, 3.2)
    told = []
    for each, style in zip(drawn, _STYLES, strict=False):
        values = np.sort(each.values[evidence.metric][_order(evidence, each)])
        shares = np.arange(1, len(values) + 1) / len(values)
        axes.plot(
            np.repeat(values, 2),
            np.column_stack([np.r_[0, shares[:-1]], shares]).ravel(),
            label=retold(each.slot),
            **style,
        )
        median = score(float(np.median(values)), evidence.metric)
        told.append(say("{entities}, median {median}", entities=count(len(values), each.slot), median=median))
    axes.set(xlabel=metric, ylabel=say("share with no more"), ylim=(-0.02, 1.02))
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="lower right")
    lie = say("; ").join(told)
    caption = say(
        "{medians}. Of those with {least} test rows or more where it is defined, each by its own rows.",
        medians=lie,
        least=LEAST_ROWS,
    )
    return Picture(name, title, caption, inline(figure, name, title, say("{title}: {told}.", title=title, told=lie)))
