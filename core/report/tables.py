"""The report's tables, as plain data: what a template prints as HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medplug.core.evaluation.ranking import most_enrichment
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, number, plain, plain_baseline, score, share
from medplug.core.report.language import later, said, say
from medplug.core.report.names import (
    CRITERIA,
    constant_name,
    criterion_name,
    gain,
    greater_is_better,
    leak_name,
    metric_name,
)
from medplug.core.report.retold import retold

SHORT_HASH = 12
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


def splits(evidence: Evidence) -> Table:
    """Rows, groups (patients) and, where domains were named, the domain of each split."""
    domains = any(split.domain for split in evidence.splits.values())
    rows = [
        [
            retold(name),
            f"{split.rows:,}",
            say("not given") if split.groups is None else f"{split.groups:,}",
            *([retold(split.domain)] if domains else []),
        ]
        for name, split in evidence.splits.items()
    ]
    header = [say("split"), say("rows"), retold(evidence.facts.wording.groups), *([say("domain")] if domains else [])]
    return Table(say("Splits"), header, rows)


def files(evidence: Evidence) -> Table:
    """The tables that were read, each with the beginning of its SHA-256."""
    rows = [
        [
            retold(key),
            str(each["name"]),
            f"{each['rows']:,}",
            f"{each['rejected']:,}",
            str(each["sha256"])[:SHORT_HASH],
        ]
        for key, each in evidence.facts.tables.items()
    ]
    header = [say("given as"), say("name"), say("rows"), say("rows set aside"), say("SHA-256 (beginning)")]
    return Table(say("Tables read"), header, rows, digits=False)


def rejected(evidence: Evidence) -> Table:
    """Rows set aside, by split, column and reason."""
    reasons = Counter((split, problem.column, problem.reason) for split, problem in evidence.facts.rejected)
    rows = [
        [retold(split), column, retold(reason), f"{rows:,}"]
        for (split, column, reason), rows in sorted(reasons.items())
    ]
    header = [say("table"), say("column"), say("reason"), say("rows")]
    return Table(say("Rows set aside"), header, rows, digits=False)


def counts(evidence: Evidence) -> Table:
    """What preparing the rows did, and what the backbone noticed."""
    rows = [[retold("train"), retold(what), f"{number:,}"] for what, number in evidence.facts.counts.items()]
    rows += [
        [retold(split), retold(what), f"{rows:,}"]
        for split, noticed in evidence.census.items()
        for what, rows in noticed.items()
    ]
    return Table(say("Counts"), [say("split"), say("what"), say("rows")], rows, digits=False)


def leaks(evidence: Evidence) -> Table:
    """What splits share."""
    rows = [
        [
            leak_name(leak.kind, evidence.facts.wording.group),
            say("{first} and {second}", first=retold(leak.first), second=retold(leak.second)),
            f"{leak.rows:,}",
            say("{share:.1f} % of {split}", share=100 * leak.share, split=retold(leak.second)),
            "" if leak.groups is None else f"{leak.groups:,}",
        ]
        for leak in evidence.facts.leaks
    ]
    header = [say("what"), say("of"), say("rows"), say("share"), retold(evidence.facts.wording.groups)]
    return Table(say("Found on both sides"), header, rows, digits=False)


def named(evidence: Evidence) -> Table:
    """Which classes the texts name."""
    rows = [
        [
            each.slot,
            each.label,
            _share_of(each.naming, each.rows),
            _share_of(each.others_naming, each.others),
        ]
        for each in evidence.facts.named
    ]
    header = [say("input"), say("class"), say("rows of the class that name it"), say("other rows that name it")]
    return Table(say("Texts that name a class (all splits together)"), header, rows, digits=False)


def _share_of(part: int, whole: int) -> str:
    return say("{part:,} of {whole:,} ({share})", part=part, whole=whole, share=share(part, whole))


def settings(evidence: Evidence) -> Table:
    """Every key with its value and its origin."""
    rows = [[key, plain(value), retold(origin)] for key, value, origin in evidence.keys]
    header = [say("key"), say("value"), say("origin")]
    return Table(say("Every key, its value and where it came from"), header, rows, digits=False)


def making(evidence: Evidence) -> Table:
    """How the model was made and chosen."""
    keys = {key: value for key, value, _ in evidence.keys}
    rows = [[say("chosen by"), _chosen_by(evidence)]]
    rows += [[name, plain(keys[name])] for name in ("backbone", "adapter", "train.class_weights") if name in keys]
    weights = pairs(evidence.manifest.get("weights") or {})
    rows += [[say("pretrained weights"), weights or say("none: trained from random weights")]]
    criteria = evidence.scores["selection"].get("without_target_labels", {})
    kind = evidence.target.kind
    rows += [
        [say("without target labels: {criterion}", criterion=criterion_name(name, kind)), number(value)]
        for name, value in criteria.items()
    ]
    return Table(say("The model"), [say("part"), say("value")], [*rows, *_flat(evidence.notes)], digits=False)


def _chosen_by(evidence: Evidence) -> str:
    criterion = evidence.scores["selection"].get("criterion", "validation")
    if criterion != "validation":
        return criterion_name(criterion, evidence.target.kind)
    return say("{metric} on the validation rows", metric=metric_name(evidence.metric, evidence.target.kind))


def history(evidence: Evidence) -> Table:
    """Each epoch's numbers."""
    names = list(dict.fromkeys(name for row in evidence.history for name in row if name != "epoch"))
    rows = [[f"{row['epoch']:g}", *(score(row.get(name), name) for name in names)] for row in evidence.history]
    heads = [_head(name) for name in names]
    return Table(say("Every epoch"), [say("epoch"), *heads], rows)


def _head(name: str) -> str:
    if name == "loss":
        return say("training loss")
    return said(CRITERIA[name]) if name in CRITERIA else say("validation {metric}", metric=metric_name(name))


def provenance(evidence: Evidence) -> list[Table]:
    """Versions, plugins, hardware and time."""
    manifest = evidence.manifest
    run = [[retold(name), plain(manifest.get(name))] for name in ("made", "seed", "precision")]
    run += [[retold(name), plain(value)] for name, value in manifest.get("hardware", {}).items()]
    plugins = [
        [each["name"], each["distribution"] or say("built in"), plain(each["gives"])]
        for each in manifest.get("plugins", [])
    ]
    failed = [say("A plugin was left out: {failure}", failure=each) for each in manifest.get("plugins_set_aside", [])]
    seconds = [[retold(stage), f"{spent:.1f}"] for stage, spent in manifest.get("seconds", {}).items()]
    versions = [[name, version or say("not installed")] for name, version in manifest.get("versions", {}).items()]
    plugin_header = [say("plugin"), say("distribution"), say("gives")]
    return [
        Table(say("The run"), [say("part"), say("value")], run, digits=False),
        Table(say("Versions"), [say("package"), say("version")], versions, digits=False),
        Table(say("Plugins"), plugin_header, plugins, digits=False, notes=failed),
        Table(say("Time"), [say("stage"), say("seconds")], seconds),
    ]


def pairs(values: Mapping[str, Any]) -> str:
    """A mapping on one line."""
    return ", ".join(f"{name} {plain(value)}" for name, value in values.items())


def _flat(notes: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, value in notes.items():
        nested = isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())
        told = prefix + retold(name)
        rows += _flat(value, f"{told}: ") if nested else [[told, plain(value, digits=3)]]
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
