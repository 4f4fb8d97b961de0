"""The order in which the report's sections are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from medplug.core.report.evidence import Evidence
from medplug.core.report.section import Section
from medplug.core.specs import resolve

ORDER = (
    "results",
    "calibration",
    "operating",
    "utility",
    "conformal",
    "transfer",
    "explanations",
    "importance",
    "subgroups",
    "sites",
    "failures",
    "data",
    "characteristics",
    "leakage",
    "shift",
    "making",
    "statements",
    "configuration",
    "provenance",
)
"""Modules of this package; each has a function ``section(evidence)`` that gives a `Section`, or None of nothing."""


CHECKLIST_AFTER = "statements"


def sections(evidence: Evidence) -> list[Section]:
    """Every section that has something to tell, in reading order."""
    found = (_maker(name)(evidence) for name in ORDER)
    return [each for each in found if each is not None]


def with_checklist(sections: Sequence[Section], checklist: Section) -> list[Section]:
    """The sections with the checklist, which tells where in them things are, at its place."""
    place = 1 + [each.name for each in sections].index(CHECKLIST_AFTER)
    return [*sections[:place], checklist, *sections[place:]]


def _maker(name: str) -> Callable[[Evidence], Section | None]:
    made = resolve(f"medplug.core.report.sections.{name}:section", owner=f"the report's section {name}")
    return cast("Callable[[Evidence], Section | None]", made)
