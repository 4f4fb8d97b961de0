"""The TRIPOD+AI table: each item of the checklist, whether the program made it or people stated it, and where.

Items are numbered as in Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378; what each asks is told in words
of our own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from medplug.core.report.evidence import Evidence
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.stated import answers
from medplug.core.report.tables import Table

State = Literal["made", "stated", "missing"]
SUMMARY = "summary"
"""The page's beginning, which is no section of its own."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number, what it asks, its state, the names of the sections that hold it, the statements it lacks.

    `lacks` are keys of ``report.card``; an item that the program could make and that lacks something else
    says what in `hint`.
    """

    number: str
    asks: str
    state: State
    sections: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    hint: str = ""


def items(evidence: Evidence, sections: Iterable[Section]) -> list[Item]:
    """Every item, in the checklist's order, of a report that has these sections."""
    judge = _Judge({part.name for each in sections for part in each.walk()}, answers(evidence))
    return [*_front(judge), *_methods(judge), *_analysis(judge), *_openness(judge), *_results(judge)]


def section(every: Sequence[Item], sections: Sequence[Section]) -> Section:
    """The items as a section of the report, beside which sections of it they point to."""
    titles = {SUMMARY: say("Summary")} | {part.name: part.title for each in sections for part in each.walk()}
    states = _states()
    rows = [[each.number, each.asks, states[each.state], _where(each, titles)] for each in every]
    header = [say("item"), say("what it asks"), say("state"), say("where, or what is missing")]
    counted = {state: sum(each.state == state for each in every) for state in states}
    told = say(
        "Of the {n} items that TRIPOD+AI (BMJ 2024;385:e078378) asks of a report on a prediction model, the program "
        "made {made}, people stated {stated}, and {missing} are missing. What is missing can be stated in a file: "
        "report.card=card.yaml.",
        n=len(every),
        made=counted["made"],
        stated=counted["stated"],
        missing=counted["missing"],
    )
    note = say(
        "What items ask is told in our own words. That an item is made or stated says nothing of how good it is."
    )
    table = Table(say("TRIPOD+AI items"), header, rows, digits=False, notes=[note])
    return Section("tripod", say("Reporting checklist (TRIPOD+AI)"), (told,), tables=(table,))


def as_csv(every: Sequence[Item], sections: Sequence[Section]) -> str:
    """The items as CSV, for a reviewer's own table."""
    titles = {SUMMARY: say("Summary")} | {part.name: part.title for each in sections for part in each.walk()}
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["item", "asks", "state", "where", "missing"])
    for each in every:
        where = "; ".join(titles[name] for name in each.sections)
        writer.writerow([each.number, each.asks, each.state, where, each.hint or "; ".join(each.lacks)])
    return file.getvalue()


def _states() -> dict[State, str]:
    return {"made": say("made"), "stated": say("stated"), "missing": say("missing")}


def _where(item: Item, titles: Mapping[str, str]) -> Markup:
    """Links to the sections, and what to do about what is missing."""
    links = [Markup('<a href="#{}">{}</a>').format(name, titles[name]) for name in item.sections]
    lacks = [say("not stated: {names}", names=", ".join(item.lacks))] if item.lacks else []
    return Markup("; ").join(
        [Markup(", ").join(links)] * bool(links) + [escape(each) for each in [*lacks, item.hint] if each]
    )


class _Judge:
    """Decides an item's state from the sections that there are and the statements that were given."""

    def __init__(self, names: set[str], given: Mapping[str, str]) -> None:
        self._names, self._given = names | {SUMMARY}, given

    def made(self, number: str, asks: str, *sections: str) -> Item:
        """The program makes it in every report, in those of these sections that it has."""
        return Item(number, asks, "made", self._there(sections))

    def made_if(self, number: str, asks: str, *sections: str, hint: str) -> Item:
        """The program makes it where one of these sections has something to tell."""
        there = self._there(sections)
        return Item(number, asks, "made", there) if there else Item(number, asks, "missing", hint=hint)

    def stated(self, number: str, asks: str, *keys: str, beside: tuple[str, ...] = ()) -> Item:
        """People state it under all of these keys; `beside` are sections that tell more of it."""
        lacks = tuple(key for key in keys if key not in self._given)
        sections = (*(("statements",) if len(lacks) < len(keys) else ()), *self._there(beside))
        return Item(number, asks, "missing" if lacks else "stated", sections, lacks)

    def made_or_stated(self, number: str, asks: str, key: str, *sections: str) -> Item:
        """Either of the two."""
        there = self._there(sections)
        return self.stated(number, asks, key) if key in self._given or not there else Item(number, asks, "made", there)

    def _there(self, sections: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in sections if name in self._names)


def _front(judge: _Judge) -> list[Item]:
    return [
        judge.made("1", say("A title that says what is predicted, and by what kind of model"), SUMMARY),
        judge.made("2", say("A summary of what was done and found"), SUMMARY),
        judge.stated("3a", say("Why the model is needed in care, and which models exist"), "rationale"),
        judge.stated(
            "3b",
            say("Whom it is for, who uses it, and where in care"),
            *("intended_use", "users", "care_pathway", "population"),
        ),
        judge.stated("3c", say("Which groups are known to fare worse"), "inequalities"),
        judge.made("4", say("Whether a model is developed, evaluated, or both"), SUMMARY, "making", "results"),
    ]


def _methods(judge: _Judge) -> list[Item]:
    return [
        judge.stated("5a", say("Where the data come from, and whom they stand for"), "data_source", beside=("data",)),
        judge.stated("5b", say("From when to when data were taken"), "dates"),
        judge.stated("6a", say("The setting, and which centres"), "setting", beside=("sites", "groups")),
        judge.stated("6b", say("Who was eligible"), "eligibility"),
        judge.stated("6c", say("Which treatments were given"), "treatments"),
        judge.made("7", say("How data were prepared and checked"), "data", "making", "leakage"),
        judge.stated("8a", say("What the outcome is, and when it is measured"), "outcome", beside=("data",)),
        judge.stated("8b", say("Who judged the outcome, where that takes judgement"), "annotators"),
        judge.stated("8c", say("Whether the outcome was judged without knowing the inputs"), "blinding"),
        judge.stated("9a", say("How the inputs were chosen"), "predictors", beside=("configuration",)),
        judge.stated("9b", say("What each input is, and how and when it was measured"), "measurement"),
        judge.stated("9c", say("Who judged the inputs, where that takes judgement"), "measurers"),
        judge.stated("10", say("Why there are as many rows as there are"), "sample_size", beside=("data",)),
        judge.made("11", say("What was done about missing values"), "characteristics", "data"),
    ]


def _analysis(judge: _Judge) -> list[Item]:
    by_site = say("no sites were named: data.site=COLUMN")
    return [
        judge.made("12a", say("How rows were split, and whether the split leaks"), "data", "leakage"),
        judge.made("12b", say("How inputs enter the model"), "making", "configuration"),
        judge.made("12c", say("The kind of model, how it was built, tuned and chosen"), "making", "configuration"),
        judge.made_if("12d", say("How differences between sites were measured"), "sites", "groups", hint=by_site),
        judge.made(
            "12e",
            say("Which measures and figures tell how good it is"),
            *("results", "calibration", "operating", "utility", "transfer"),
        ),
        judge.made("12f", say("Whether the model was adjusted after it was trained"), "calibration", "making"),
        judge.made("12g", say("How predictions are computed"), "making", "provenance"),
        judge.made("13", say("What was done about rare classes"), "making", "data"),
        judge.stated("14", say("What was done for fairness"), "fairness", beside=("groups",)),
        judge.made("15", say("What the model gives, and how decisions are cut"), "operating", "conformal", "results"),
        judge.made_or_stated(
            "16", say("How test rows differ from those trained on"), "differences", "shift", "characteristics"
        ),
        judge.stated("17", say("Ethical approval and consent"), "ethics"),
    ]


def _openness(judge: _Judge) -> list[Item]:
    return [
        judge.stated("18a", say("Who paid"), "funding"),
        judge.stated("18b", say("Conflicts of interest"), "conflicts"),
        judge.stated("18c", say("Where the protocol is"), "protocol"),
        judge.stated("18d", say("Where the study is registered"), "registration"),
        judge.stated("18e", say("Whether others can have the data"), "data_sharing"),
        judge.stated("18f", say("Whether others can have the code"), "code_sharing", beside=("provenance",)),
        judge.stated("19", say("How the people concerned took part"), "involvement"),
    ]


def _results(judge: _Judge) -> list[Item]:
    by_site = say("no sites were named: data.site=COLUMN")
    return [
        judge.made("20a", say("How many rows came in, and how many were left"), "data"),
        judge.made_if(
            "20b",
            say("What rows are like, and what is missing in them"),
            "characteristics",
            hint=say("the inputs have no plain columns to tell of"),
        ),
        judge.made_if(
            "20c",
            say("How test rows compare with training rows, input by input"),
            *("shift", "characteristics"),
            hint=say("the inputs have no plain columns to compare"),
        ),
        judge.made("21", say("Rows and events of each analysis"), "data", "results"),
        judge.made("22", say("The model itself, so that others can use it"), "provenance", "configuration"),
        judge.made("23a", say("How good it is, with intervals, and in groups"), "results", "calibration", "subgroups"),
        judge.made_if("23b", say("How results differ between sites"), "sites", "groups", hint=by_site),
        judge.made("24", say("What adjusting the model changed"), "calibration", "making"),
        judge.stated("25", say("What the results mean, also for fairness"), "interpretation", beside=(SUMMARY,)),
        judge.stated("26", say("What limits the study"), "limits", beside=(SUMMARY, "failures")),
        judge.made_or_stated("27a", say("What becomes of poor or missing input"), "input_quality", "data"),
        judge.stated("27b", say("What users must do and know"), "expertise"),
        judge.stated("27c", say("What is to be studied next"), "next_steps"),
    ]
