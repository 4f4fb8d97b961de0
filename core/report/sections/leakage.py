"""What splits share that should be on one side alone, and what was looked for."""

from __future__ import annotations

from medplug.core.report import data_tables
from medplug.core.report.evidence import Evidence
from medplug.core.report.language import joined, say
from medplug.core.report.retold import retold
from medplug.core.report.section import Section
from medplug.core.report.tables import Table
from medplug.core.report.twins import twins_told, without_twins

_MOST = 20


def section(evidence: Evidence) -> Section:
    """The findings, the test rows that were seen before, and the texts that name a class."""
    told = twins_told(evidence)
    seen = Section("seen", say("Test rows that were seen before"), tuple(told), tables=(without_twins(evidence),))
    return Section(
        "leakage",
        say("Leakage"),
        paragraphs=(joined(*looked_for(evidence)),),
        tables=(data_tables.leaks(evidence), data_tables.named(evidence), _revealing(evidence)),
        parts=(seen,) if told else (),
    )


def looked_for(evidence: Evidence) -> list[str]:
    """What was looked for between the splits, and whether nothing was found; a sentence each."""
    wording = evidence.facts.wording
    told = [] if evidence.facts.leaks else [say("None found by these checks.")]
    if evidence.splits["test"].groups is not None:
        looked = say(
            "Looked for between every two splits: the same input ({same}) and the same {group}.",
            same=retold(wording.same),
            group=retold(wording.group),
        )
    else:
        looked = say(
            "Looked for between every two splits: the same input ({same}); the same {group} could not be looked for, "
            "as no {group} column was given.",
            same=retold(wording.same),
            group=retold(wording.group),
        )
    if "near" in evidence.scores.get("without_twins", {}):
        return [*told, looked, say("Inputs that are nearly the same were looked for, too.")]
    return [*told, looked, say("Inputs that are nearly the same are not looked for.")]


def _revealing(evidence: Evidence) -> Table:
    """The columns and words that alone tell the label almost perfectly."""
    measure = say("R²") if evidence.target.kind == "regression" else say("balanced accuracy")
    kinds = {"column": say("column"), "word": say("word")}
    rows = [
        [each.name, kinds[each.what], each.slot, each.label or "", f"{each.score:.3f}", f"{each.rows:,}"]
        for each in evidence.facts.revealing[:_MOST]
    ]
    header = [say("name"), say("what"), say("input"), say("class"), measure, say("rows judged")]
    caption = say("Single columns and words that tell the label almost perfectly (learned from training rows alone)")
    return Table(caption, header, rows, digits=False)
