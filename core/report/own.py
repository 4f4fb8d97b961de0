"""Kinds of target that the report tells of in words of their own: a module a kind."""

from __future__ import annotations

from typing import Protocol, cast

from medplug.core.report.evidence import Evidence
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table
from medplug.core.specs import TargetKind, resolve

_OWN: dict[TargetKind, str] = {
    "ranking": "medplug.core.report.rankings:RankingWords",
    "choice": "medplug.core.report.choices:OwnChoices",
    "text": "medplug.core.report.texts:TextWords",
    "span": "medplug.core.report.spans:Spans",
}
"""Kind -> ``"module:attribute"`` of an `Own`."""


class Own(Protocol):
    """The words, tables and figures of one kind."""

    def predicted(self, evidence: Evidence) -> str:
        """What is predicted, to stand after "The model predicts "."""

    def baselines(self, evidence: Evidence) -> str:
        """What the plain baselines are, in a sentence or two."""

    def labels(self, evidence: Evidence) -> Table:
        """How the labels lie over the splits, in numbers."""

    def pictures(self, evidence: Evidence) -> list[Picture]:
        """Figures of the results."""

    def tables(self, evidence: Evidence) -> list[Table]:
        """Further tables of the results."""


def own_tables(evidence: Evidence) -> list[Table]:
    """A kind's further tables, if it has words of its own."""
    own = own_words(evidence.target.kind)
    return [] if own is None else own.tables(evidence)


def own_words(kind: TargetKind) -> Own | None:
    """What tells of a kind, or None where the report's common words serve."""
    found = _OWN.get(kind)
    return None if found is None else cast("Own", resolve(found, owner=f"the target {kind}")())
