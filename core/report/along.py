"""The table of what is learned along with the main target."""

from __future__ import annotations

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate
from medplug.core.report.language import say
from medplug.core.report.names import gain, greater_is_better, metric_name
from medplug.core.report.tables import LOWER, Table


def learned_along(evidence: Evidence) -> Table:
    """Each further target's first metric, its linear baseline's, and the gain; no rows where there are none."""
    rows = []
    for name, each in evidence.scores.get("also", {}).items():
        metric = next(iter(each["metrics"]))
        arrow = "" if greater_is_better(metric) else f" {LOWER}"
        scores = [estimate(source[metric], metric) for source in (each["metrics"], each["baseline"]["linear"])]
        better = estimate(gain(each["difference"][metric], metric), metric, signed=True)
        named = metric_name(metric, each["kind"]) + arrow
        rows.append([name, each["kind"], f"{each['n']:,}", named, *scores, better])
    header = [say("target"), say("kind"), say("test rows"), say("metric")]
    header += [say("model"), say("linear baseline"), say("gain over linear")]
    notes = [say("Whether learning these helped the main target, only a run without data.also can tell.")]
    caption = say("Further targets, on the test rows that have a label of them")
    return Table(caption, header, rows, notes=notes if rows else [])
