"""How well the model does on the test rows: scores beside the plain baselines, and the figures."""

from __future__ import annotations

from dataclasses import replace

from medplug.core.report import along, tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import plain_baseline
from medplug.core.report.language import joined, say
from medplug.core.report.own import own_tables
from medplug.core.report.plots import pictures
from medplug.core.report.retold import retold
from medplug.core.report.section import Section
from medplug.core.report.tables import LOWER, Table
from medplug.core.report.treatments import assumptions, treatment_tables
from medplug.core.report.words import baselines, certain


def section(evidence: Evidence) -> Section:
    """The table of scores, then figures, then what a kind of target has of its own."""
    sure = certain(evidence)
    parts = (_figures(evidence), _treatments(evidence), _along(evidence))
    return Section(
        "results",
        say("Results"),
        paragraphs=(sure,) if sure else (),
        tables=(_scores(evidence), *own_tables(evidence)),
        parts=tuple(each for each in parts if each is not None),
    )


def _scores(evidence: Evidence) -> Table:
    found, simple = tables.results(evidence), plain_baseline(evidence.scores["baseline"])[1]
    grouped = evidence.splits["test"].groups is not None
    told = say(
        "The best of each row is bold. {lower} marks metrics where lower is better. The gain is model minus {simple}, "
        "taken on the same resamples; its sign is turned where lower is better, so that above 0 the model is better.",
        lower=LOWER,
        simple=simple,
    )
    resampled = say(
        "Intervals are percentiles of the bootstrap over {units}.",
        units=retold(evidence.facts.wording.groups) if grouped else say("rows"),
    )
    return replace(found, notes=[joined(told, resampled, baselines(evidence)), *found.notes])


def _figures(evidence: Evidence) -> Section | None:
    drawn = tuple(pictures(evidence))
    return Section("figures", say("Figures"), pictures=drawn) if drawn else None


def _treatments(evidence: Evidence) -> Section | None:
    found = tuple(treatment_tables(evidence))
    if not found:
        return None
    told = say("These numbers speak of cause and effect only where all of this holds, which no data can show:")
    return Section("treatments", say("Treatments"), (told,), tables=found, points=tuple(assumptions(evidence)))


def _along(evidence: Evidence) -> Section | None:
    found = along.learned_along(evidence)
    return Section("along", say("Learned along"), tables=(found,)) if found.rows else None
