"""What transfer added: over a plain model, over a head that knows no domains, over random weights, by modality."""

from __future__ import annotations

from medplug.core.report import comparisons, modalities
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import joined, say
from medplug.core.report.section import Section
from medplug.core.report.verdicts import Verdict, pretraining_verdict, transfer_verdict, verdict


def section(evidence: Evidence) -> Section:
    """The verdict over the plain baseline, and each comparison that was made."""
    parts = (_between_domains(evidence), _pretraining(evidence), _modalities(evidence))
    return Section(
        "transfer",
        say("What transfer added"),
        paragraphs=(_told(verdict(evidence)),),
        parts=tuple(each for each in parts if each is not None),
    )


def _between_domains(evidence: Evidence) -> Section | None:
    found = transfer_verdict(evidence)
    if found is None:
        return None
    title = say("What transfer between the domains added")
    return Section("domains", title, (_told(found),), tables=(comparisons.transfer(evidence),))


def _pretraining(evidence: Evidence) -> Section | None:
    found = pretraining_verdict(evidence)
    if found is None:
        return None
    title = say("What pretraining added")
    return Section("pretraining", title, (_told(found),), tables=(comparisons.pretraining(evidence),))


def _modalities(evidence: Evidence) -> Section | None:
    subsets = modalities.subsets(evidence)
    if not subsets.rows:
        return None
    return Section("modalities", say("What each modality added"), tables=(modalities.shapley(evidence), subsets))


def _told(found: Verdict) -> str:
    return joined(found.headline, found.text)
