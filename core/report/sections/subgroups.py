"""The scores of parts of the test rows: of classes, of sites and subgroups, of single drugs and proteins."""

from __future__ import annotations

from medplug.core.report import entities, tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section | None:
    """One part for each way in which rows were told apart; None where they were not."""
    parts = tuple(each for each in (_classes(evidence), _groups(evidence), _entities(evidence)) if each is not None)
    return Section("subgroups", say("Parts of the test rows"), parts=parts) if parts else None


def _classes(evidence: Evidence) -> Section | None:
    found = tables.by_class(evidence)
    return Section("classes", say("By {what}", what=found.header[0]), tables=(found,)) if found.rows else None


def _groups(evidence: Evidence) -> Section | None:
    found = tuple(tables.by_group(evidence))
    return Section("groups", say("By site and subgroup"), tables=found) if found else None


def _entities(evidence: Evidence) -> Section | None:
    named = entities.entity_heading(evidence)
    if not named:
        return None
    told = say(
        "Each one's scores are of its own test rows alone, without intervals: of few rows they are uncertain. A model "
        "that only knows which ones score high in general does well on all rows together and no better than chance "
        "within one. by_entity.parquet has them all."
    )
    drawn, listed = tuple(entities.entity_pictures(evidence)), tuple(entities.entity_tables(evidence))
    return Section("entities", say("By {what}", what=named), (told,), pictures=drawn, tables=listed)
