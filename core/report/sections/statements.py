"""What only people can say of the model."""

from __future__ import annotations

from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.stated import statements
from medplug.core.report.tables import Table


def section(evidence: Evidence) -> Section:
    """Each question with its answer, or that nobody gave one."""
    rows = [[question, answer] for question, answer in statements(evidence)]
    told = say("No program can know these. State them before the model is used.")
    table = Table(say("Stated by people"), [say("question"), say("statement")], rows, digits=False)
    return Section("statements", say("What people must state"), (told,), tables=(table,))
