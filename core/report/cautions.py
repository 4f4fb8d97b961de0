"""What a reader must know before believing the numbers, each in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate
from medplug.core.report.given_away import revealing_told, shift_told
from medplug.core.report.language import joined, later, said, say
from medplug.core.report.names import (
    class_noun,
    constant_name,
    greater_is_better,
    leak_name,
    metric_name,
)
from medplug.core.report.retold import retold
from medplug.core.report.twins import seen_before
from medplug.core.report.verdicts import transfer_verdict, verdict
from medplug.core.report.words import trees_read

WRITTEN = later(
    "The answers are written by a language model: they can be wrong however fluent they are, and may not follow from "
    "the passages that they come with. The scores compare words with those of one right answer: they do not see "
    "whether an answer is true, or safe. No answer should reach a patient that no person who knows has read."
)
FEW_ROWS = 100
FEW_OF_A_CLASS = 10
FEW_EVENTS = 20
_EFFECTS = {"validation": later("the choice of model is uncertain"), "test": later("intervals are wide")}
_COMMIT = 40
_NAMED = 12


def cautions(evidence: Evidence) -> list[str]:
    """Every caution that applies, the gravest first."""
    found: list[str] = []
    for check in (
        _sample,
        _treatment,
        _written,
        _oracle,
        leaks_told,
        seen_before,
        named_told,
        revealing_told,
        shift_told,
        _baseline,
        _trees,
        _transfer,
        _domains,
        _ungrouped,
        _small,
        _rejected,
        _cut,
        _counted,
        _weights,
    ):
        found += check(evidence)
    return found


def _sample(evidence: Evidence) -> Iterator[str]:
    if evidence.facts.sample:
        yield say(
            "This is the built-in sample ({sample}): the numbers say nothing about {about}.",
            sample=retold(evidence.facts.sample_is),
            about=retold(evidence.facts.wording.subjects),
        )


def _written(evidence: Evidence) -> Iterator[str]:
    if evidence.target.kind == "text":
        yield said(WRITTEN)


def _oracle(evidence: Evidence) -> Iterator[str]:
    if evidence.scores["selection"].get("oracle"):
        yield say(
            "ORACLE: the model was chosen by labels of the target domain (selection.oracle=true), which a real user "
            "would not have. The numbers are an upper bound for a study, not what the method gives in use."
        )


def _trees(evidence: Evidence) -> Iterator[str]:
    """Boosted trees, where they do better than the model."""
    trees = evidence.scores["baseline"].get("trees", {}).get(evidence.metric, {"value": None})
    value, own = trees["value"], evidence.scores["metrics"][evidence.metric]["value"]
    if value is None or own is None or not (value > own if greater_is_better(evidence.metric) else value < own):
        return
    name = metric_name(evidence.metric, evidence.target.kind)
    found = estimate(trees, evidence.metric)
    yield say(
        "Boosted trees on {read} do better: {metric} {value}.", read=trees_read(evidence), metric=name, value=found
    )


def _treatment(evidence: Evidence) -> Iterator[str]:
    found = evidence.scores.get("treatment")
    if found is None:
        return
    yield retold(found["warning"])
    if found["overlap"]["poor"]:
        yield say(
            "Overlap is poor: many test rows are of a kind that an arm was hardly ever given to. What would have come "
            "of it is the model's guess, and values of policies and effects are uncertain beyond their intervals."
        )
    gain, arm = found["gain"]["over_best_single_arm"], found["best_single_arm"]
    low = gain["ci95"][0]
    if low is None or low <= 0:
        yield say("The advice is not shown to be better than giving every row {arm}; prefer the simpler rule.", arm=arm)


def _transfer(evidence: Evidence) -> Iterator[str]:
    found = transfer_verdict(evidence)
    if found is not None and found.kind in ("worse", "unclear"):
        yield joined(found.headline, found.text)


def _domains(evidence: Evidence) -> Iterator[str]:
    if "unlabelled" in evidence.splits and not evidence.uses_unlabelled:
        yield say("Unlabelled rows were given, and no adapter of this run learns from them.")
    if evidence.tested_on_source:
        yield say("The test rows are of the source domain: how well the model does on the target is not measured.")
    if evidence.chosen_on_source and evidence.scores["selection"].get("criterion", "validation") == "validation":
        yield say(
            "The model was chosen on rows of the source domain, as there are no target labels to choose by: "
            "the choice may not suit the target."
        )


def leaks_told(evidence: Evidence) -> Iterator[str]:
    """What stands on both sides of two splits."""
    for leak in evidence.facts.leaks:
        group, groups = evidence.facts.wording.group, evidence.facts.wording.groups
        shared = "" if leak.groups is None else say(", {groups}", groups=count(leak.groups, group, groups))
        yield say(
            "Leakage: {leak} is on both sides of {first} and {second} ({rows} of {second}, {share:.1f} %{shared}); "
            "the test numbers are likely too good."
            if leak.second == "test"
            else "Leakage: {leak} is on both sides of {first} and {second} ({rows} of {second}, {share:.1f} %{shared})"
            "; the choice of model may be misled.",
            leak=leak_name(leak.kind, group),
            first=retold(leak.first),
            second=retold(leak.second),
            rows=count(leak.rows, "row"),
            share=100 * leak.share,
            shared=shared,
        )


def named_told(evidence: Evidence) -> Iterator[str]:
    """Texts that hold the answer."""
    telling = [each for each in evidence.facts.named if each.tells]
    if not telling:
        return
    naming, rows = sum(each.naming for each in telling), sum(each.rows for each in telling)
    yield say(
        "Leakage: the {slots} of {naming:,} of {rows:,} rows names their own label ({classes}); a model may read the "
        "diagnosis there in place of finding it. Use notes written before the diagnosis, or take its name out.",
        slots=say(" and ").join(dict.fromkeys(each.slot for each in telling)),
        naming=naming,
        rows=rows,
        classes=say(", ").join(each.label for each in telling[:_NAMED]),
    )


def _baseline(evidence: Evidence) -> Iterator[str]:
    if verdict(evidence).kind == "worse":
        yield say("The simple baseline is better than this model; prefer it.")
    model, majority = (
        each[evidence.metric]["value"] for each in (evidence.scores["metrics"], evidence.scores["baseline"]["majority"])
    )
    if model is None or majority is None:
        return
    if not (model > majority if greater_is_better(evidence.metric) else model < majority):
        yield say(
            "By {metric} the model is no better than giving every row the {constant}.",
            metric=metric_name(evidence.metric),
            constant=constant_name(evidence.target.kind),
        )


def _ungrouped(evidence: Evidence) -> Iterator[str]:
    if evidence.splits["test"].groups is None:
        yield say(
            "No {group} column was given (data.group): {ungrouped}.",
            group=retold(evidence.facts.wording.group),
            ungrouped=retold(evidence.facts.wording.ungrouped),
        )


def _small(evidence: Evidence) -> Iterator[str]:
    for name in ("validation", "test"):
        split = evidence.splits.get(name)
        if split is not None and split.rows < FEW_ROWS:
            yield say(
                "The {split} split has only {rows}; {effect}.",
                split=retold(name),
                rows=count(split.rows, "row"),
                effect=said(_EFFECTS[name]),
            )
        if split is not None and split.follow_up is not None and split.follow_up.events < FEW_EVENTS:
            yield say(
                "The {split} split has only {events}, and these alone tell of risk; {effect}.",
                split=retold(name),
                events=count(split.follow_up.events, "event"),
                effect=said(_EFFECTS[name]),
            )
    test = evidence.splits["test"]
    counts = test.arms.rows if test.arms else test.classes
    seen = {name for split in evidence.splits.values() for name, rows in split.classes.items() if rows}
    # a letter that no row has as many options for is nothing to be told apart
    never = set(counts) - seen if evidence.target.kind == "choice" else set()
    few = [name for name, rows in counts.items() if rows < FEW_OF_A_CLASS and name not in never]
    if few:
        more = say(" and {n} more", n=len(few) - _NAMED) if len(few) > _NAMED else ""
        what, what_all = ("arm", "arms") if test.arms else class_noun(evidence.target.kind)
        yield say(
            "{classes} has fewer than {least} test rows ({listed}); their intervals are wide."
            if len(few) == 1
            else "{classes} have fewer than {least} test rows ({listed}); their intervals are wide.",
            classes=count(len(few), what, what_all),
            least=FEW_OF_A_CLASS,
            listed=say(", ").join(few[:_NAMED]) + more,
        )


def _rejected(evidence: Evidence) -> Iterator[str]:
    rows = len({(split, problem.row) for split, problem in evidence.facts.rejected})
    if rows:
        yield say(
            "{rows} was set aside as unusable; the numbers do not cover them."
            if rows == 1
            else "{rows} were set aside as unusable; the numbers do not cover them.",
            rows=count(rows, "row"),
        )


def _cut(evidence: Evidence) -> Iterator[str]:
    for split, noticed in evidence.census.items():
        for what, rows in noticed.items():
            if rows:
                yield say("In {split}: {n:,} {what}.", split=retold(split), n=rows, what=retold(what))


def _counted(evidence: Evidence) -> Iterator[str]:
    for what, rows in evidence.facts.counts.items():
        if rows:
            yield say("In the training data: {n:,} {what}.", n=rows, what=retold(what))


def _weights(evidence: Evidence) -> Iterator[str]:
    weights = evidence.manifest.get("weights") or {}
    revision = str(weights.get("revision") or "")
    if weights.get("source") == "hub" and not (len(revision) == _COMMIT and set(revision) <= set("0123456789abcdef")):
        yield say("The pretrained weights are not pinned to a commit of the hub; a later run may get others.")
    if weights.get("source") == "folder":
        yield say("The pretrained weights were read from a folder; nothing here proves which model they are.")
