"""The report's tables, as plain data: what a template prints as HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medplug.core.evaluation.ranking import most_enrichment
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, number, plain, plain_baseline, score, share
from medplug.core.report.names import (
    CRITERIA,
    class_name,
    constant_name,
    criterion_name,
    gain,
    greater_is_better,
    leak_name,
    metric_name,
)

SHORT_HASH = 12
MOST_PARTS = 60
LOWER = "\N{DOWNWARDS ARROW}"
_MEANT = {
    "exact_match": "is the share of rows whose answer is a right one, letter by letter but for capitals, punctuation, "
    "white space and English articles; no answer matches where there is none",
    "token_f1": "is the mean over rows of the F1 of the words (in Chinese and Japanese: characters) that the answer "
    "shares with the nearest right one; no answer counts 1 where there is none, and 0 elsewhere",
    "c_index": "is the share of pairs of rows that the model puts in the right order, of those whose order is known "
    "(0.5 by chance)",
    "rm2": "is r²(1 \N{MINUS SIGN} √(r² \N{MINUS SIGN} r₀²)) with r₀² of a line through the origin (Roy and Roy, "
    "2008): it falls below r² where predictions are shifted or stretched",
    "ef1": "is how many times more positive rows are among the first hundredth by score than among all rows",
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
    constant = constant_name(kind).replace("training majority", "majority")
    key, simple = plain_baseline(scores["baseline"])
    named = {key: simple, "trees": "boosted trees", "majority": constant}
    named |= {"longest": "longest option", "overlap": "shared words"}
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
    header = ["metric", "model", *(named[name] for name in plain), f"gain over {simple.removesuffix(' baseline')}"]
    rows_told = count(scores["n"], "test question" if kind == "ranking" else "test row")
    caption = f"Scores on {rows_told}, with 95 % intervals"
    return Table(caption, header, rows, frozenset(best), notes=_meanings(evidence))


def _meanings(evidence: Evidence) -> list[str]:
    """What the metrics say that few outside their field know, and how large an enrichment can be on these rows."""
    told = [f"The {metric_name(name)} {_MEANT[name]}." for name in _MEANT if name in evidence.scores["metrics"]]
    if "ef1" not in evidence.scores["metrics"]:
        return told
    most = score(most_enrichment(evidence.labels), "ef1")
    return [*told, f"It is 1 by chance and can be {most} at most on these rows."]


def by_class(evidence: Evidence) -> Table:
    """The scores of each class against the rest."""
    what, _ = class_name(evidence.target.kind)
    return _parts(what, f"Scores of each {what} against the rest", "true rows", evidence.scores["by_class"], None)


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
        _parts(column, f"Scores by {column}", "test rows", parts, shown)
        for column, parts in evidence.scores["by_group"].items()
    ]


def splits(evidence: Evidence) -> Table:
    """Rows, groups (patients) and, where domains were named, the domain of each split."""
    domains = any(split.domain for split in evidence.splits.values())
    rows = [
        [
            name,
            f"{split.rows:,}",
            "not given" if split.groups is None else f"{split.groups:,}",
            *([split.domain] if domains else []),
        ]
        for name, split in evidence.splits.items()
    ]
    return Table("Splits", ["split", "rows", evidence.facts.wording.groups, *(["domain"] if domains else [])], rows)


def files(evidence: Evidence) -> Table:
    """The tables that were read, each with the beginning of its SHA-256."""
    rows = [
        [key, str(each["name"]), f"{each['rows']:,}", f"{each['rejected']:,}", str(each["sha256"])[:SHORT_HASH]]
        for key, each in evidence.facts.tables.items()
    ]
    header = ["given as", "name", "rows", "rows set aside", "SHA-256 (beginning)"]
    return Table("Tables read", header, rows, digits=False)


def rejected(evidence: Evidence) -> Table:
    """Rows set aside, by split, column and reason."""
    reasons = Counter((split, problem.column, problem.reason) for split, problem in evidence.facts.rejected)
    rows = [[split, column, reason, f"{rows:,}"] for (split, column, reason), rows in sorted(reasons.items())]
    return Table("Rows set aside", ["table", "column", "reason", "rows"], rows, digits=False)


def counts(evidence: Evidence) -> Table:
    """What preparing the rows did, and what the backbone noticed."""
    rows = [["train", what, f"{number:,}"] for what, number in evidence.facts.counts.items()]
    rows += [[split, what, f"{rows:,}"] for split, noticed in evidence.census.items() for what, rows in noticed.items()]
    return Table("Counts", ["split", "what", "rows"], rows, digits=False)


def leaks(evidence: Evidence) -> Table:
    """What splits share."""
    rows = [
        [
            leak_name(leak.kind, evidence.facts.wording.group),
            f"{leak.first} and {leak.second}",
            f"{leak.rows:,}",
            f"{100 * leak.share:.1f} % of {leak.second}",
            "" if leak.groups is None else f"{leak.groups:,}",
        ]
        for leak in evidence.facts.leaks
    ]
    return Table(
        "Found on both sides", ["what", "of", "rows", "share", evidence.facts.wording.groups], rows, digits=False
    )


def named(evidence: Evidence) -> Table:
    """Which classes the texts name."""
    rows = [
        [
            each.slot,
            each.label,
            f"{each.naming:,} of {each.rows:,} ({share(each.naming, each.rows)})",
            f"{each.others_naming:,} of {each.others:,} ({share(each.others_naming, each.others)})",
        ]
        for each in evidence.facts.named
    ]
    header = ["input", "class", "rows of the class that name it", "other rows that name it"]
    return Table("Texts that name a class (all splits together)", header, rows, digits=False)


def settings(evidence: Evidence) -> Table:
    """Every key with its value and its origin."""
    rows = [[key, plain(value), origin] for key, value, origin in evidence.keys]
    return Table("Every key, its value and where it came from", ["key", "value", "origin"], rows, digits=False)


def making(evidence: Evidence) -> Table:
    """How the model was made and chosen."""
    keys = {key: value for key, value, _ in evidence.keys}
    rows = [["chosen by", _chosen_by(evidence)]]
    rows += [[name, plain(keys[name])] for name in ("backbone", "adapter", "train.class_weights") if name in keys]
    weights = pairs(evidence.manifest.get("weights") or {})
    rows += [["pretrained weights", weights or "none: trained from random weights"]]
    criteria = evidence.scores["selection"].get("without_target_labels", {})
    kind = evidence.target.kind
    rows += [
        [f"without target labels: {criterion_name(name, kind)}", number(value)] for name, value in criteria.items()
    ]
    return Table("The model", ["part", "value"], [*rows, *_flat(evidence.notes)], digits=False)


def _chosen_by(evidence: Evidence) -> str:
    criterion = evidence.scores["selection"].get("criterion", "validation")
    if criterion != "validation":
        return criterion_name(criterion, evidence.target.kind)
    return f"{metric_name(evidence.metric, evidence.target.kind)} on the validation rows"


def history(evidence: Evidence) -> Table:
    """Each epoch's numbers."""
    names = list(dict.fromkeys(name for row in evidence.history for name in row if name != "epoch"))
    rows = [[f"{row['epoch']:g}", *(score(row.get(name), name) for name in names)] for row in evidence.history]
    heads = [_head(name) for name in names]
    return Table("Every epoch", ["epoch", *heads], rows)


def _head(name: str) -> str:
    if name == "loss":
        return "training loss"
    return CRITERIA[name] if name in CRITERIA else f"validation {metric_name(name)}"


def provenance(evidence: Evidence) -> list[Table]:
    """Versions, plugins, hardware and time."""
    manifest = evidence.manifest
    run = [[name, plain(manifest.get(name))] for name in ("made", "seed", "precision")]
    run += [[name, plain(value)] for name, value in manifest.get("hardware", {}).items()]
    plugins = [
        [each["name"], each["distribution"] or "built in", plain(each["gives"])] for each in manifest.get("plugins", [])
    ]
    failed = [f"A plugin was left out: {failure}" for failure in manifest.get("plugins_set_aside", [])]
    seconds = [[stage, f"{spent:.1f}"] for stage, spent in manifest.get("seconds", {}).items()]
    versions = [[name, version or "not installed"] for name, version in manifest.get("versions", {}).items()]
    return [
        Table("The run", ["part", "value"], run, digits=False),
        Table("Versions", ["package", "version"], versions, digits=False),
        Table("Plugins", ["plugin", "distribution", "gives"], plugins, digits=False, notes=failed),
        Table("Time", ["stage", "seconds"], seconds),
    ]


def pairs(values: Mapping[str, Any]) -> str:
    """A mapping on one line."""
    return ", ".join(f"{name} {plain(value)}" for name, value in values.items())


def _flat(notes: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, value in notes.items():
        nested = isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())
        rows += _flat(value, f"{prefix}{name}: ") if nested else [[prefix + name, plain(value, digits=3)]]
    return rows


def _best(values: list[float | None], metric: str) -> list[int]:
    defined = [value for value in values if value is not None]
    if not defined:
        return []
    top = max(defined) if greater_is_better(metric) else min(defined)
    return [column for column, value in enumerate(values) if value == top]


def _parts(heading: str, caption: str, unit: str, parts: Mapping[str, Any], shown: list[str] | None) -> Table:
    """One row a part; of its metrics those in `shown` (None: all) that it has."""
    if len(parts) > MOST_PARTS and shown is not None:
        note = f"{len(parts)} values are too many to list here; metrics.json has them."
        return Table(caption, [heading, unit], [], notes=[note])
    first: Mapping[str, Any] = next(iter(parts.values()), {"metrics": {}})["metrics"]
    names = [name for name in first if shown is None] + [name for name in shown or [] if name in first]
    heads = [metric_name(name) + ("" if greater_is_better(name) else f" {LOWER}") for name in names]
    rows = [
        [name or "(empty)", f"{part['n']:,}", *(estimate(part["metrics"][metric], metric) for metric in names)]
        for name, part in parts.items()
    ]
    return Table(caption, [heading, unit, *heads], rows)
