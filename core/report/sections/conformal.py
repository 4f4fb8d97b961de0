"""Sets and intervals that are to hold the truth so often: whether they did on test rows, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, score
from medplug.core.report.language import say
from medplug.core.report.mistrust import uncovered
from medplug.core.report.names import class_noun
from medplug.core.report.retold import retold
from medplug.core.report.section import Section
from medplug.core.report.tables import MOST_PARTS, Table


def section(evidence: Evidence) -> Section | None:
    """Coverage on test rows, by class and by subgroup; None where no sets were asked for."""
    found = evidence.scores.get("conformal")
    if found is None:
        return None
    title, asked = say("Sets that hold the truth"), f"{100 * found['coverage']:g} %"
    if evidence.target.kind == "regression":
        title = say("Intervals that hold the truth")
    if found["quantile"] is None:
        few = say(
            "None are given: {asked} needs {fewest} validation rows or more, and there are {rows}.",
            asked=asked,
            fewest=found["fewest"],
            rows=found["rows"],
        )
        return Section("conformal", title, (few,))
    parts = {retold(class_noun(evidence.target.kind)[0]): found["by_class"], **found["by_group"]}
    tables = [_by(column, part) for column, part in parts.items() if 0 < len(part) <= MOST_PARTS]
    return Section("conformal", title, _told(evidence, asked), tables=(_overall(evidence), *tables))


def _told(evidence: Evidence, asked: str) -> tuple[str, ...]:
    rows = f"{evidence.scores['conformal']['rows']:,}"
    if evidence.target.kind == "regression":
        what = say(
            "Beside each number stand bounds (low and high) that are to hold the truth of {asked} of rows, by the "
            "errors on {rows} validation rows (split conformal prediction; Lei et al., 2018).",
            asked=asked,
            rows=rows,
        )
    else:
        what = say(
            "Beside each decision stands a set of classes that is to hold the truth of {asked} of rows, by {rows} "
            "validation rows (split conformal prediction; Sadinle, Lei and Wasserman, 2019). Where the set is not "
            "exactly one class the model abstains.",
            asked=asked,
            rows=rows,
        )
    limits = say(
        "That holds on average, for rows that are like the validation rows; it need not hold for each class or each "
        "subgroup, nor at another hospital. The validation rows also chose the epoch and, where it was asked for, "
        "fitted the correction of the probabilities, which makes it a little "
        "optimistic."
    )
    return (what, limits, *uncovered(evidence))


def _overall(evidence: Evidence) -> Table:
    found = evidence.scores["conformal"]
    rows = [[say("rows whose truth is inside"), estimate(found["covered"])]]
    if "width" in found:
        rows.append([say("width of the interval"), score(found["width"], "mae")])
    else:
        rows.append([say("mean classes a set"), estimate(found["size"])])
        rows.append([say("rows abstained from"), estimate(found["abstained"])])
    return Table(say("Coverage on test rows"), [say("measure"), say("on test rows")], rows)


def _by(column: str, parts: Mapping[str, Any]) -> Table:
    rows = [[name, f"{each['n']:,}", estimate(each["covered"])] for name, each in parts.items()]
    return Table(say("Coverage by {column}", column=column), [column, say("test rows"), say("truth inside")], rows)
