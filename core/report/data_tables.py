"""Tables of the data: splits and files, what was set aside and noticed, what leaks."""

from __future__ import annotations

from collections import Counter

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import share
from medplug.core.report.language import say
from medplug.core.report.names import leak_name
from medplug.core.report.retold import retold
from medplug.core.report.tables import Table

SHORT_HASH = 12


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
