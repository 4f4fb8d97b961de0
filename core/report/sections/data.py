"""What the rows are: the tables read, how they were split, their labels, and what was set aside."""

from __future__ import annotations

from medplug.core.report import data_tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.label_tables import labels
from medplug.core.report.language import say
from medplug.core.report.retold import retold
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section:
    """The data in numbers."""
    rejected = data_tables.rejected(evidence)
    told = [] if rejected.rows else [say("No row was set aside.")]
    return Section(
        "data",
        say("Data"),
        paragraphs=(*origin(evidence), *told),
        tables=(
            data_tables.files(evidence),
            data_tables.splits(evidence),
            labels(evidence),
            rejected,
            data_tables.counts(evidence),
        ),
    )


def origin(evidence: Evidence) -> list[str]:
    """Where the rows come from and how they were split, a sentence each."""
    facts, told = evidence.facts, []
    if facts.sample:
        told.append(
            say("No table was given, so the task's built-in sample was used ({what}).", what=retold(facts.sample_is))
        )
    if facts.split_by:
        told.append(say("Split by {how}.", how=retold(facts.split_by)))
    return told
