"""What the model was made with: versions, plugins, hardware and time."""

from __future__ import annotations

from medplug.core.report import making_tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section:
    """The run in numbers that a second run can be held against."""
    return Section("provenance", say("Provenance"), tables=tuple(making_tables.provenance(evidence)))
