"""The test rows that the model fails on worst, by their numbers."""

from __future__ import annotations

from medplug.core.report import failures
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section | None:
    """How often it fails, and where; None of targets whose truth no row tells."""
    found = failures.failures(evidence)
    if found is None:
        return None
    told, table = found
    look = say("Look these rows up in your table: what they have in common says more of a model than its mean does.")
    paragraphs = (told, look) if table.rows else (told,)
    return Section("failures", say("Where it fails"), paragraphs, tables=(table,))
