"""The report's tables, as plain data: what a template prints as HTML or Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medplug.core.evaluation.ranking import most_enrichment
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, plain_baseline, score
from medplug.core.report.language import later, said, say
from medplug.core.report.names import (
    constant_name,
    gain,
    greater_is_better,
    metric_name,
)

MOST_PARTS = 60
LOWER = "\N{DOWNWARDS ARROW}"
_MEANT = {
    "exact_match": later(
        "The exact match is the share of rows whose answer is a right one, letter by letter but for capitals, "
        "punctuation, white space and English articles; no answer matches where there is none."
    ),
    "token_f1": later(
        "The token F1 is the mean over rows of the F1 of the words (in Chinese and Japanese: characters) that the "
        "answer shares with the nearest right one; no answer counts 1 where there is none, and 0 elsewhere."
    ),
    "c_index": later(
        "The concordance index is the share of pairs of rows that the model puts in the right order, of those whose "
        "order is known (0.5 by chance)."
    ),
    "rm2": later(
        "The modified r² (rm²) is r²(1 \N{MINUS SIGN} √(r² \N{MINUS SIGN} r₀²)) with r₀² of a line through the origin "
        "(Roy and Roy, 2008): it falls below r² where predictions are shifted or stretched."
    ),
    "ef1": later(
        "The enrichment factor at 1 % is how many times more positive rows are among the first hundredth by score than "
        "among all rows."
    ),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Texts by row, each row's first its heading.

    `best` marks cells as (row, column); `digits`: the other columns are numbers.
    """

    caption: str
    header: list[str]
    rows: list[list[str]]
    best: frozenset[tuple[int, int]] = frozenset()
    digits: bool = True
    notes: list[str] = field(default_factory=list)


def results(evidence: Evidence) -> Table:
    """Every metric of the model and the baselines, and the paired difference with its sign turned to a gain."""
    scores, kind = evidence.scores, evidence.target.kind
    key, simple = plain_baseline(scores["baseline"])
    named = {key: simple, "trees": say("boosted trees"), "majority": constant_name(kind, short=True)}
    named |= {"longest": say("longest option"), "overlap": say("shared words")}
    plain = {name: scores["baseline"][name] for name in named if name in scores["baseline"]}
    sources = [scores["metrics"], *plain.values()]
    rows, best = [], set()
    for position, metric in enumerate(scores["metrics"]):
        found = [source[metric] for source in sources]
        better = gain(scores["difference"][metric], metric)
        arrow = "" if greater_is_better(metric) else f" {LOWER}"
        shown = [*(estimate(each, metric) for each in found), estimate(better, metric, signed=True)]
        rows.append([metric_name(metric, kind) + arrow, *shown])
        best |= {(position, 1 + column) for column in _best([each["value"] for each in found], metric)}
    over = say("gain over linear") if key == "linear" else say("gain over {baseline}", baseline=simple)
    header = [say("metric"), say("model"), *(named[name] for name in plain), over]
    told = count(scores["n"], "test question" if kind == "ranking" else "test row")
    caption = say("Scores on {rows}, with 95 % intervals", rows=told)
    return Table(caption, header, rows, frozenset(best), notes=_meanings(evidence))


def _meanings(evidence: Evidence) -> list[str]:
    """What the metrics say that few outside their field know, and how large an enrichment can be on these rows."""
    told = [said(meant) for name, meant in _MEANT.items() if name in evidence.scores["metrics"]]
    if "ef1" not in evidence.scores["metrics"]:
        return told
    most = score(most_enrichment(evidence.labels), "ef1")
    return [*told, say("It is 1 by chance and can be {most} at most on these rows.", most=most)]


def by_class(evidence: Evidence) -> Table:
    """The scores of each class against the rest."""
    what = say("letter") if evidence.target.kind == "choice" else say("class")
    caption = say("Scores of each {what} against the rest", what=what)
    return _parts(what, caption, say("true rows"), evidence.scores["by_class"], None)


def by_group(evidence: Evidence) -> list[Table]:
    """One table for the sites and one for each column of ``report.by``."""
    shown = list(
        dict.fromkeys(
            (
                evidence.metric,
                "balanced_accuracy",
                "auroc",
                "exact_match",
                "brier",
                "ece",
                "mae",
                "r2",
                "pearson",
                "policy_gain",
            )
        )
    )
    return [
        _parts(column, say("Scores by {column}", column=column), say("test rows"), parts, shown)
        for column, parts in evidence.scores["by_group"].items()
    ]


def _best(values: list[float | None], metric: str) -> list[int]:
    defined = [value for value in values if value is not None]
    if not defined:
        return []
    top = max(defined) if greater_is_better(metric) else min(defined)
    return [column for column, value in enumerate(values) if value == top]


def _parts(heading: str, caption: str, unit: str, parts: Mapping[str, Any], shown: list[str] | None) -> Table:
    """One row a part; of its metrics those in `shown` (None: all) that it has."""
    if len(parts) > MOST_PARTS and shown is not None:
        note = say("{n} values are too many to list here; metrics.json has them.", n=len(parts))
        return Table(caption, [heading, unit], [], notes=[note])
    first: Mapping[str, Any] = next(iter(parts.values()), {"metrics": {}})["metrics"]
    names = [name for name in first if shown is None] + [name for name in shown or [] if name in first]
    heads = [metric_name(name) + ("" if greater_is_better(name) else f" {LOWER}") for name in names]
    rows = [
        [name or say("(empty)"), f"{part['n']:,}", *(estimate(part["metrics"][metric], metric) for metric in names)]
        for name, part in parts.items()
    ]
    return Table(caption, [heading, unit, *heads], rows)
