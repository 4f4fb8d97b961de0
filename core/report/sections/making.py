"""How the model was made and chosen."""

from __future__ import annotations

from medplug.core.report import making_tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section


def section(evidence: Evidence) -> Section:
    """Its parts and settings, and every epoch."""
    told = say("The model and its settings were chosen on the validation rows alone; the test rows were used once, for "
               "this report.")  # fmt: skip
    epochs = (making_tables.history(evidence),) if evidence.history else ()
    return Section("making", say("How it was made"), (told,), tables=(making_tables.making(evidence),), folded=epochs)
