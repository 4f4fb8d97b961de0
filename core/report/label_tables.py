"""The table of what the rows of each split carry: classes, numbers or times."""

from __future__ import annotations

from medplug.core.report.evidence import ArmFacts, Evidence, SplitFacts
from medplug.core.report.formats import plain, share
from medplug.core.report.language import say
from medplug.core.report.own import own_words
from medplug.core.report.retold import retold
from medplug.core.report.tables import Table


def labels(evidence: Evidence) -> Table:
    """How often each class occurs in each split, or where its numbers or times lie."""
    if (own := own_words(evidence.target.kind)) is not None:
        return own.labels(evidence)
    if evidence.target.kind == "treatment":
        return _arms(evidence)
    if not evidence.target.has_classes:
        return _times(evidence) if evidence.target.kind == "survival" else _numbers(evidence)
    splits = {name: split for name, split in evidence.splits.items() if split.classes}

    def cell(split: SplitFacts, name: str) -> str:
        rows = split.classes.get(name, 0)
        return f"{rows:,} ({share(rows, split.rows)})"

    rows = [[name, *(cell(split, name) for split in splits.values())] for name in evidence.target.classes]
    notes = [say("A row may carry several labels.")] if evidence.target.kind == "multilabel" else []
    notes += [say("A mask may show several classes, or none.")] if evidence.target.kind == "mask" else []
    header = [say("class"), *map(retold, splits)]
    return Table(say("Rows of each class, and their share of the split"), header, rows, notes=notes)


def _numbers(evidence: Evidence) -> Table:
    found = {name: split.spread for name, split in evidence.splits.items() if split.spread is not None}
    rows = [
        [retold(name), *(plain(value, 4) for value in (each.mean, each.deviation, each.lowest, each.highest))]
        for name, each in found.items()
    ]
    name = evidence.target.classes[0]
    header = [say("split"), say("mean"), say("standard deviation"), say("lowest"), say("highest")]
    return Table(say("Where {name} lies", name=name), header, rows)


def _times(evidence: Evidence) -> Table:
    found = {name: (split.rows, split.follow_up) for name, split in evidence.splits.items() if split.follow_up}
    rows = [
        [
            retold(name),
            f"{each.events:,} ({share(each.events, rows)})",
            *map(_median, (each.watched, each.outlived)),
        ]
        for name, (rows, each) in found.items()
    ]
    name = evidence.target.classes[0]
    header = [say("split"), say("rows with the event"), say("median follow-up"), say("median time to the event")]
    notes = [say("Medians are Kaplan-Meier's, the follow-up's with event and censoring exchanged.")]
    return Table(say("Times to {event}", event=name), header, rows, notes=notes)


def _arms(evidence: Evidence) -> Table:
    found = {
        name: (split.rows, split.arms) for name, split in evidence.splits.items() if split.arms and split.arms.rows
    }

    def cell(rows: int, arms: ArmFacts, arm: str) -> str:
        mean = arms.means.get(arm)
        told = share(arms.rows[arm], rows)
        return f"{arms.rows[arm]:,} ({told})" + ("" if mean is None else f"; {plain(mean, 3)}")

    rows = [[arm, *(cell(*each, arm) for each in found.values())] for arm in evidence.target.classes]
    target = evidence.target
    what = say("share of {name}", name=target.outcomes[-1]) if target.binary_outcome else target.outcomes[0]
    caption = say("Rows given each arm, their share of the split, and their mean {what}", what=what)
    return Table(caption, [say("arm"), *map(retold, found)], rows)


def _median(value: float | None) -> str:
    return say("not reached") if value is None else plain(value, 4)
