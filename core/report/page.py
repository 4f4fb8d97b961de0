"""Writing a run's report.html, model_card.md and tripod_ai.csv from its evidence, and any page of sections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from medplug.core.report import tripod
from medplug.core.report.card import model_card
from medplug.core.report.cautions import cautions
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import Language, joined, say, speaking, spoken
from medplug.core.report.section import Section
from medplug.core.report.sections.order import sections, with_checklist
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table
from medplug.core.report.verdicts import Verdict, verdict
from medplug.core.report.words import summary

_SETTINGS: dict[str, Any] = {
    "loader": PackageLoader("medplug.core.report", ""),
    "autoescape": True,
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is whole in itself: a summary in plain words, a verdict and cautions if there are, then sections.

    `below` stands under the title, `footer` at the end.
    """

    title: str
    below: str
    sections: Sequence[Section]
    footer: str
    summary: Sequence[str] = ()
    verdict: Verdict | None = None
    cautions: Sequence[str] = ()

    def html(self) -> str:
        """The page as HTML; equal content, equal text."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return _pages().get_template("report.html").render(told, numbers=Numbers.of(self.sections), language=spoken())


class Numbers:
    """What tables and figures are called, numbered through in reading order."""

    def __init__(self, tables: Iterable[Table], pictures: Iterable[Picture]) -> None:
        shown = (each for each in tables if each.rows)
        self._tables = {id(each): say("Table {n}", n=n) for n, each in enumerate(shown, 1)}
        self._pictures = {id(each): say("Figure {n}", n=n) for n, each in enumerate(pictures, 1)}

    @classmethod
    def of(cls, sections: Iterable[Section]) -> Numbers:
        """Those of all tables and figures in these sections."""
        every = [part for each in sections for part in each.walk()]
        tables = (table for each in every for table in (*each.tables, *each.folded))
        return cls(tables, (picture for each in every for picture in each.pictures))

    def table(self, table: Table) -> str:
        """``Table 3``; empty of a table without rows, which is not shown."""
        return self._tables.get(id(table), "")

    def picture(self, picture: Picture) -> str:
        """``Figure 2``."""
        return self._pictures[id(picture)]


def write_report(folder: Path, evidence: Evidence) -> None:
    """Write ``report.html`` (whole in itself), ``model_card.md`` and ``tripod_ai.csv``; equal evidence, equal bytes."""
    with speaking(_language(evidence)):
        told = sections(evidence)
        items = tripod.items(evidence, told)
        page = report_page(evidence, with_checklist(told, tripod.section(items, told)))
        made = {
            "report.html": page.html(),
            "model_card.md": model_card(evidence),
            "tripod_ai.csv": tripod.as_csv(items, told),
        }
    for name, content in made.items():
        with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)


def _language(evidence: Evidence) -> Language:
    """The one that ``report.language`` asks for."""
    return next((value for key, value, _ in evidence.keys if key == "report.language"), "en")


def report_page(evidence: Evidence, told: Sequence[Section]) -> Page:
    """The page of a run."""
    return Page(
        title=evidence.title,
        below=say("What this model was made from, how well it does on rows it never saw, and what speaks against it."),
        sections=told,
        footer=_footer(evidence),
        summary=summary(evidence),
        verdict=verdict(evidence),
        cautions=cautions(evidence),
    )


def _footer(evidence: Evidence) -> str:
    version = evidence.manifest.get("versions", {}).get("medplug")
    made = say("Made by medplug {version}.", version=version) if version else say("Made by medplug.")
    if any(each.shows for each in evidence.explanations):
        held = say("This page shows what single rows say, as it was asked to: treat it as you treat them.")
    elif evidence.target.kind == "regression":
        held = say("This page holds numbers and names of classes, columns and files, and no row's content but the "
                   "measured and predicted numbers in the figures.")  # fmt: skip
    else:
        held = say("This page holds numbers and names of classes, columns and files, and no row's content.")
    return joined(made, held)


@cache
def _pages() -> Environment:
    environment = Environment(**_SETTINGS)
    environment.globals["say"] = say
    return environment
