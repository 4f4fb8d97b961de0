"""Every key of the run."""

from __future__ import annotations

from medplug.core.report import making_tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section:
    """Each key's value and where it came from."""
    return Section("configuration", say("Configuration"), folded=(making_tables.settings(evidence),))
