"""How far apart training and test rows are, and source and target rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, number
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.tables import Table

_SHOWN = 12


def section(evidence: Evidence) -> Section | None:
    """A part for each two sets of rows that were compared; None where none was."""
    found = evidence.scores.get("shift", {})
    if not found:
        return None
    how = say(
        "Whether a model is asked about rows like those that it learned from. Of each feature stand the standardised "
        "difference of the means and the largest gap between the two distributions (Kolmogorov-Smirnov), of "
        "categories the share of rows that would have to change theirs (total variation); 0 is no difference. A "
        "classifier on all of them tells how well rows can be told apart: AUROC 0.5 or less is not at all, 1 is always."
    )
    parts = tuple(_part(name, each) for name, each in found.items())
    return Section("shift", say("Shift"), (how,), parts=parts)


def _part(name: str, found: Mapping[str, Any]) -> Section:
    first, second = _sides(name)
    between = say("{first} and {second}", first=first, second=second)
    rows = [count(each, "row") for each in found["rows"]]
    sizes = say(
        "Compared: {some} of {first} and {others} of {second}.",
        some=rows[0],
        others=rows[1],
        first=first,
        second=second,
    )
    if found["auroc"] is None:
        told = say("There are too few rows to say how well they can be told apart.")
    else:
        told = say("A classifier tells them apart with AUROC {auroc}.", auroc=estimate(found["auroc"]))
    tables = [_features(found["features"], first, second)]
    if found.get("words"):
        tables.append(_words(found["words"], first, second))
    return Section(f"shift-{name.replace(' ', '-')}", between, (f"{sizes} {told}",), folded=tuple(tables))


def _sides(name: str) -> tuple[str, str]:
    if name == "train and test":
        return say("train"), say("test")
    return say("source"), say("target")


def _features(features: list[dict[str, Any]], first: str, second: str) -> Table:
    rows = [
        [each["name"], *(number(each[name]) if name in each else "" for name in ("smd", "ks", "tv"))]
        + [f"{100 * missing:.1f} %" for missing in each["missing"]]
        for each in features[:_SHOWN]
    ]
    header = [
        say("feature"),
        say("standardised difference"),
        say("largest gap"),
        say("total variation"),
        say("missing in {split}", split=first),
        say("missing in {split}", split=second),
    ]
    return Table(say("Features by how far they are apart"), header, rows)


def _words(words: list[dict[str, Any]], first: str, second: str) -> Table:
    rows = [[each["word"], *(f"{100 * part:.1f} %" for part in each["shares"])] for each in words]
    header = [say("word"), say("rows of {split} with it", split=first), say("rows of {split} with it", split=second)]
    return Table(say("Common words whose shares differ most"), header, rows)
