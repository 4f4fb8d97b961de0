"""The plain words of the report: what was done, what came out, and whether transfer helped."""

from __future__ import annotations

from medplug.core.data.targets import Target
from medplug.core.report.evidence import Evidence, SplitFacts
from medplug.core.report.formats import count, estimate, score, undefined
from medplug.core.report.language import joined, say
from medplug.core.report.names import constant_name, greater_is_better, metric_name
from medplug.core.report.own import own_words
from medplug.core.report.retold import retold
from medplug.core.wording import Wording


def summary(evidence: Evidence) -> list[str]:
    """What was predicted, from how many rows, and how well; a sentence or two each."""
    return [_predicted(evidence), _rows(evidence), _result(evidence)]


def baselines(evidence: Evidence) -> str:
    """What the plain baselines are."""
    if "trees" not in evidence.scores["baseline"]:
        return _linear_and_constant(evidence)
    read = trees_read(evidence)
    if evidence.target.kind == "survival":
        trees = say(
            "Boosted trees read {read} alone and predict the martingale residuals of a model without features.",
            read=read,
        )
    elif evidence.target.kind == "treatment":
        trees = say("Boosted trees read {read} alone, each arm's outcome by its own rows.", read=read)
    else:
        trees = say("Boosted trees read {read} alone.", read=read)
    return joined(_linear_and_constant(evidence), trees)


def trees_read(evidence: Evidence) -> str:
    """What the boosted trees were grown on."""
    return retold(str(evidence.notes["baseline"]["trees"]["read"]))


def _linear_and_constant(evidence: Evidence) -> str:
    if (own := own_words(evidence.target.kind)) is not None:
        return own.baselines(evidence)
    if evidence.target.kind == "regression":
        return say(
            "The linear baseline is a ridge regression on simple features; the mean is that of the training labels."
        )
    if evidence.target.kind == "survival":
        return say(
            "The linear baseline is a Cox regression with a ridge penalty on simple features; the other gives every "
            "row the same risk, by which no two rows can be put in order."
        )
    if evidence.target.kind == "treatment":
        return say(
            "The linear baseline has a head for each arm on simple features (ridge or logistic regression) and a "
            "logistic regression of the arm; the other gives every row each arm's mean outcome and frequency in "
            "training, so that it advises one arm for all. Each is judged by its own propensities."
        )
    if evidence.target.kind == "mask":
        return say(
            "The linear baseline is a logistic regression on each pixel's grey value, surroundings and place; the "
            "majority finds nothing anywhere. An image without a class, where none was found either, is left out of "
            "that class's means; one found where there is none, or missed, counts as 0 and as the image's diagonal."
        )
    return say(
        "The linear baseline is a logistic regression on simple features; the majority gives every row the class "
        "frequencies of training, so it always decides for the commonest."
    )


def certain(evidence: Evidence) -> str:
    """From which score on an answer is called sure, and how often such answers of the validation rows were right."""
    told = evidence.scores.get("certain")
    if told is None:
        return ""
    asked = f"{told['asked']:.0%}"
    if told["score"] is None:
        return say(
            "No answer is called sure: {asked} of the answers that are called sure should be right, and no score of "
            "the validation rows was that good.",
            asked=asked,
        )
    held = say(
        "An answer is called sure from a score of {score:.3f} on: {asked} of the answers that are called sure should "
        "be right. Of the validation rows {answered:.0%} had such an answer, and {right:.0%} of these were right.",
        score=told["score"],
        asked=asked,
        answered=told["answered"],
        right=told["right"],
    )
    return joined(held, _held(told["test"]))


def _held(test: dict[str, float | None]) -> str:
    """How often the promise held on rows that did not set it."""
    answered, right = test["answered"], test["right"]
    if not answered or right is None:
        return say("None of the test rows had.")
    return say(
        "Of the test rows, which did not set it, {answered:.0%} had one, and {right:.0%} of these were right.",
        answered=answered,
        right=right,
    )


def better_way(metric: str) -> str:
    """Which way a metric is better, for a table or a sentence."""
    return say("higher is better") if greater_is_better(metric) else say("lower is better")


def _predicted(evidence: Evidence) -> str:
    classes, own = evidence.target.classes, own_words(evidence.target.kind)
    if own is not None:
        what = own.predicted(evidence)
    elif evidence.target.kind == "binary":
        what = say("whether a row is “{positive}” rather than “{negative}”", positive=classes[1], negative=classes[0])
    elif evidence.target.kind == "mask":
        named = say(", ").join(f"“{name}”" for name in classes)
        what = say("where in an image lies {classes}, pixel by pixel", classes=named)
    elif evidence.target.kind == "multilabel":
        what = say("which of {n} labels a row carries (none, one or several)", n=len(classes))
    elif evidence.target.kind == "regression":
        what = say("{name}, a number", name=classes[0])
    elif evidence.target.kind == "survival":
        what = say("the time to “{event}”, as a risk that puts rows in order", event=classes[0])
    elif evidence.target.kind == "treatment":
        what = _what_comes_of(evidence.target)
    else:
        what = say("which one of {n} classes a row belongs to", n=len(classes))
    return say("The model predicts {what} (task {task}).", what=what, task=evidence.task)


def _what_comes_of(target: Target) -> str:
    outcome = target.outcomes[-1]
    return say(
        "{outcome} under each of the treatments {arms}, and advises the one where it is highest"
        if target.higher_is_better
        else "{outcome} under each of the treatments {arms}, and advises the one where it is lowest",
        outcome=say("the chance of “{outcome}”", outcome=outcome) if target.binary_outcome else outcome,
        arms=say(", ").join(f"“{arm}”" for arm in target.classes),
    )


def _rows(evidence: Evidence) -> str:
    sizes = {name: _size(split, evidence.facts.wording) for name, split in evidence.splits.items()}
    told = say(
        "It was trained on {train}, chosen on {validation}, and tested on {test} held apart."
        if "validation" in sizes
        else "It was trained on {train}, and tested on {test} held apart.",
        **sizes,
    )
    return joined(told, _members(evidence))


def _members(evidence: Evidence) -> str:
    """That an ensemble is one, and which member's the learning curve is."""
    count = evidence.notes.get("members")
    if count is None:
        return ""
    return say("It is an ensemble: {n} models from different seeds, whose predictions are averaged.", n=count)


def _size(split: SplitFacts, wording: Wording) -> str:
    rows = count(split.rows, "row")
    if split.groups is None:
        return rows
    return say("{rows} of {groups}", rows=rows, groups=count(split.groups, wording.group, wording.groups))


def _result(evidence: Evidence) -> str:
    metric, found = evidence.metric, evidence.scores["metrics"][evidence.metric]
    name = metric_name(metric, evidence.target.kind)
    if found["value"] is None:
        return say("On the test rows {metric} is {value}.", metric=name, value=undefined())
    told = say(
        "On the test rows {metric} is {value} (95 % interval; {better}).",
        metric=name,
        value=estimate(found, metric),
        better=better_way(metric),
    )
    constant = say(
        "Giving every row the {constant} has {value}.",
        constant=constant_name(evidence.target.kind),
        value=score(evidence.scores["baseline"]["majority"][metric]["value"], metric),
    )
    return joined(told, constant)
