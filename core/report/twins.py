"""The table of what is left of the scores without the test rows that were seen before."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, share
from medplug.core.report.language import later, said, say
from medplug.core.report.names import greater_is_better, metric_name
from medplug.core.report.retold import retold
from medplug.core.report.tables import LOWER, Table

_LEFT_OUT = {"same": later("without the same ({rows})"), "near": later("without nearly the same ({rows})")}


def without_twins(evidence: Evidence) -> Table:
    """Every metric on all test rows and on those left without twins; no rows where no twin was found."""
    found = evidence.scores.get("without_twins", {})
    scored = {kind: each for kind, each in found.items() if "metrics" in each}
    header = [say("metric"), say("all {rows}", rows=count(evidence.scores["n"], "row"))]
    header += [said(_LEFT_OUT[kind], rows=count(each["n_left"], "row")) for kind, each in scored.items()]
    rows = []
    for metric, whole in evidence.scores["metrics"].items() if scored else ():
        arrow = "" if greater_is_better(metric) else f" {LOWER}"
        shown = [estimate(each, metric) for each in (whole, *(each["metrics"][metric] for each in scored.values()))]
        rows.append([metric_name(metric, evidence.target.kind) + arrow, *shown])
    return Table(say("The model's scores with and without test rows that have a twin"), header, rows)


def seen_before(evidence: Evidence) -> Iterator[str]:
    """The model's metric without the test rows that were seen before, as a caution; nothing where none was."""
    found = evidence.scores.get("without_twins", {})
    scored = [each for each in found.values() if "metrics" in each]
    if scored:
        few, name = min(scored, key=lambda each: each["n_left"]), metric_name(evidence.metric, evidence.target.kind)
        yield say(
            "On the {rows} that the model was not shown before, exactly or nearly, {metric} is {left}; on all of them "
            "it is {whole}.",
            rows=count(few["n_left"], "test row"),
            metric=name,
            left=estimate(few["metrics"][evidence.metric], evidence.metric),
            whole=estimate(evidence.scores["metrics"][evidence.metric], evidence.metric),
        )


def twins_told(evidence: Evidence) -> list[str]:
    """How many test rows have a twin, and what nearly the same means; a sentence or two for each kind."""
    found = evidence.scores.get("without_twins", {})
    told = [_told(kind, each) for kind, each in found.items()]
    if "near" in found:
        told.append(say("Nearly the same means here: {meaning}.", meaning=retold(found["near"]["means"])))
    return told


def _told(kind: str, found: dict[str, int]) -> str:
    inputs = say("the same inputs") if kind == "same" else say("nearly the same inputs")
    twins, rows = found["n_twins"], found["n_twins"] + found["n_left"]
    if not twins:
        return say("No test row has {inputs} as a training or validation row.", inputs=inputs)
    known = say(
        "{n:,} of {rows} ({part}) has {inputs} as a training or validation row"
        if twins == 1
        else "{n:,} of {rows} ({part}) have {inputs} as a training or validation row",
        n=twins,
        part=share(twins, rows),
        rows=count(rows, "test row"),
        inputs=inputs,
    )
    if not found["n_left"]:
        return say("{known}: none is left to score without them.", known=known)
    return say("{known}: what a model remembers counts there as what it predicts.", known=known)
