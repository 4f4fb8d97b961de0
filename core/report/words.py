"""The plain words of the report: what was done, what came out, and whether transfer helped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medplug.core.data.targets import Target
from medplug.core.report.evidence import Evidence, SplitFacts
from medplug.core.report.formats import UNDEFINED, count, estimate, plain_baseline, score
from medplug.core.report.names import constant_name, gain, greater_is_better, metric_name
from medplug.core.report.own import own_words
from medplug.core.wording import Wording

_BY_TRANSFER = {
    "better": "Transfer between the domains helped.",
    "worse": "Transfer between the domains hurt.",
    "unclear": "Transfer between the domains made no clear difference.",
}
_BY_PRETRAINING = {
    "better": "Pretraining helped.",
    "worse": "Pretraining hurt.",
    "unclear": "Pretraining made no clear difference.",
}
_BESIDE_A_HEAD = {
    "better": "Training with transfer is better than a plain head on frozen features.",
    "worse": "A plain head on frozen features is better than training with transfer.",
    "unclear": "Training with transfer shows no clear difference from a plain head on frozen features.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the model beats the plain baseline, in a few words and at length."""

    kind: Literal["better", "worse", "unclear", "undefined"]
    headline: str
    text: str


def summary(evidence: Evidence) -> list[str]:
    """What was predicted, from how many rows, and how well; a sentence or two each."""
    return [_predicted(evidence), _rows(evidence), _result(evidence)]


def verdict(evidence: Evidence) -> Verdict:
    """Compare the model with the linear baseline by the paired difference and its 95 % interval."""
    found = gain(evidence.scores["difference"][evidence.metric], evidence.metric)
    low, high = found["ci95"]
    name = metric_name(evidence.metric)
    if found["value"] is None or low is None or high is None:
        return Verdict(
            "undefined",
            "The model and the simple baseline cannot be compared.",
            f"The difference in {name} is {UNDEFINED} on this test split, so nothing can be concluded from it.",
        )
    if low > 0:
        text = f"{_by(evidence)} The interval is above 0.{_reserve(evidence)}"
        return Verdict("better", "The model is better than the simple baseline.", text)
    if high < 0:
        return Verdict(
            "worse",
            "The simple baseline wins.",
            f"{_by(evidence)} The interval is below 0: the simpler model should be preferred.",
        )
    return Verdict(
        "unclear",
        "There is no clear difference from the simple baseline.",
        f"{_by(evidence)} The interval contains 0: the data do not show that transfer helped.",
    )


def transfer_verdict(evidence: Evidence) -> Verdict | None:
    """Whether transfer between domains helped, by the paired difference from a head without it.

    None where there were no two domains, or the difference has no interval.
    Where the backbone was trained too, that difference is not transfer's alone.
    """
    scores = evidence.scores.get("without_transfer")
    if scores is None:
        return None
    found = gain(scores["difference"][evidence.metric], evidence.metric)
    low, high = found["ci95"]
    if low is None or high is None:
        return None
    head = {"regression": "ridge", "survival": "Cox", "treatment": "arm by arm"}.get(evidence.target.kind, "logistic")
    text = (
        f"Against a plain {head} head on the same labels and frozen features the gain in "
        f"{metric_name(evidence.metric)} is {estimate(found, evidence.metric, signed=True)}."
    )
    kind: Literal["better", "worse", "unclear"] = "worse" if high < 0 else "better" if low > 0 else "unclear"
    if scores["backbone"] == "trained":
        reserve = "The backbone was trained as well: what the transfer alone added was not measured."
        return Verdict(kind, _BESIDE_A_HEAD[kind], f"{text} {reserve}")
    return Verdict(kind, _BY_TRANSFER[kind], f"{text} Prefer the head, or another method." if high < 0 else text)


def pretraining_verdict(evidence: Evidence) -> Verdict | None:
    """What pretraining is worth, by the paired difference from a linear head on the same network with random weights.

    None where that was not asked for (``report.pretraining``), or the difference has no interval.
    """
    scores = evidence.scores.get("random_weights")
    found = None if scores is None else gain(scores["difference"][evidence.metric], evidence.metric)
    if found is None or found["ci95"][0] is None or found["ci95"][1] is None:
        return None
    low, high = found["ci95"]
    kind: Literal["better", "worse", "unclear"] = "worse" if high < 0 else "better" if low > 0 else "unclear"
    text = (
        f"Against a linear head on the same network with random weights the gain in {metric_name(evidence.metric)} is "
        f"{estimate(found, signed=True)}."
    )
    return Verdict(kind, _BY_PRETRAINING[kind], text)


def baselines(evidence: Evidence) -> str:
    """What the plain baselines are."""
    if "trees" not in evidence.scores["baseline"]:
        return _linear_and_constant(evidence)
    how = {
        "survival": " and predict the martingale residuals of a model without features",
        "treatment": ", each arm's outcome by its own rows",
    }
    trees = f" Boosted trees read {trees_read(evidence)} alone{how.get(evidence.target.kind, '')}."
    return _linear_and_constant(evidence) + trees


def trees_read(evidence: Evidence) -> str:
    """What the boosted trees were grown on."""
    return str(evidence.notes["baseline"]["trees"]["read"])


def _linear_and_constant(evidence: Evidence) -> str:
    if (own := own_words(evidence.target.kind)) is not None:
        return own.baselines(evidence)
    if evidence.target.kind == "regression":
        return "The linear baseline is a ridge regression on simple features; the mean is that of the training labels."
    if evidence.target.kind == "survival":
        return (
            "The linear baseline is a Cox regression with a ridge penalty on simple features; the other gives every "
            "row the same risk, by which no two rows can be put in order."
        )
    if evidence.target.kind == "treatment":
        return (
            "The linear baseline has a head for each arm on simple features (ridge or logistic regression) and a "
            "logistic regression of the arm; the other gives every row each arm's mean outcome and frequency in "
            "training, so that it advises one arm for all. Each is judged by its own propensities."
        )
    if evidence.target.kind == "mask":
        return (
            "The linear baseline is a logistic regression on each pixel's grey value, surroundings and place; the "
            "majority finds nothing anywhere. An image without a class, where none was found either, is left out of "
            "that class's means; one found where there is none, or missed, counts as 0 and as the image's diagonal."
        )
    return (
        "The linear baseline is a logistic regression on simple features; the majority gives every row the class "
        "frequencies of training, so it always decides for the commonest."
    )


def certain(evidence: Evidence) -> str:
    """From which score on an answer is called sure, and how often such answers of the validation rows were right."""
    told = evidence.scores.get("certain")
    if told is None:
        return ""
    asked = f"{told['asked']:.0%} of the answers that are called sure should be right"
    if told["score"] is None:
        return f"No answer is called sure: {asked}, and no score of the validation rows was that good."
    return (
        f"An answer is called sure from a score of {told['score']:.3f} on: {asked}. Of the validation rows "
        f"{told['answered']:.0%} had such an answer, and {told['right']:.0%} of these were right.{_held(told['test'])}"
    )


def _held(test: dict[str, float | None]) -> str:
    """How often the promise held on rows that did not set it."""
    answered, right = test["answered"], test["right"]
    if not answered or right is None:
        return " None of the test rows had."
    return f" Of the test rows, which did not set it, {answered:.0%} had one, and {right:.0%} of these were right."


def better_way(metric: str) -> str:
    """Which way a metric is better, for a table or a sentence."""
    return "higher is better" if greater_is_better(metric) else "lower is better"


def _by(evidence: Evidence) -> str:
    """The paired difference as a sentence."""
    metric = evidence.metric
    found = gain(evidence.scores["difference"][metric], metric)
    key, named = plain_baseline(evidence.scores["baseline"])
    plain = estimate(evidence.scores["baseline"][key][metric], metric)
    over = "a linear model on simple features" if key == "linear" else named
    turned = "" if greater_is_better(metric) else ", counted so that a lower value is a gain"
    return (
        f"On the same test rows the gain in {metric_name(metric)} over {over} "
        f"({plain}) is {estimate(found, metric, signed=True)}{turned}."
    )


def _reserve(evidence: Evidence) -> str:
    """Why a good result may not hold."""
    if evidence.facts.sample:
        return " The rows are the built-in sample, so this is no evidence for any real use."
    leaky = any(leak.second == "test" for leak in evidence.facts.leaks)
    return " The splits leak into the test rows (see below), so this may not hold." if leaky else ""


def _predicted(evidence: Evidence) -> str:
    classes, own = evidence.target.classes, own_words(evidence.target.kind)
    if own is not None:
        what = own.predicted(evidence)
    elif evidence.target.kind == "binary":
        what = f"whether a row is “{classes[1]}” rather than “{classes[0]}”"
    elif evidence.target.kind == "mask":
        what = f"where in an image lies {', '.join(f'“{name}”' for name in classes)}, pixel by pixel"
    elif evidence.target.kind == "multilabel":
        what = f"which of {len(classes)} labels a row carries (none, one or several)"
    elif evidence.target.kind == "regression":
        what = f"{classes[0]}, a number"
    elif evidence.target.kind == "survival":
        what = f"the time to “{classes[0]}”, as a risk that puts rows in order"
    elif evidence.target.kind == "treatment":
        what = _what_comes_of(evidence.target)
    else:
        what = f"which one of {len(classes)} classes a row belongs to"
    return f"The model predicts {what} (task {evidence.task})."


def _what_comes_of(target: Target) -> str:
    arms = ", ".join(f"“{arm}”" for arm in target.classes)
    outcome, way = target.outcomes[-1], "highest" if target.higher_is_better else "lowest"
    what = f"the chance of “{outcome}”" if target.binary_outcome else outcome
    return f"{what} under each of the treatments {arms}, and advises the one where it is {way}"


def _rows(evidence: Evidence) -> str:
    sizes = {name: _size(split, evidence.facts.wording) for name, split in evidence.splits.items()}
    chosen = f", chosen on {sizes['validation']}" if "validation" in sizes else ""
    return f"It was trained on {sizes['train']}{chosen}, and tested on {sizes['test']} held apart.{_members(evidence)}"


def _members(evidence: Evidence) -> str:
    """That an ensemble is one, and which member's the learning curve is."""
    count = evidence.notes.get("members")
    if count is None:
        return ""
    return f" It is an ensemble: {count} models from different seeds, whose predictions are averaged."


def _size(split: SplitFacts, wording: Wording) -> str:
    return count(split.rows, "row") + (
        "" if split.groups is None else f" of {count(split.groups, wording.group, wording.groups)}"
    )


def _result(evidence: Evidence) -> str:
    metric, found = evidence.metric, evidence.scores["metrics"][evidence.metric]
    if found["value"] is None:
        return f"On the test rows {metric_name(metric, evidence.target.kind)} is {UNDEFINED}."
    majority = score(evidence.scores["baseline"]["majority"][metric]["value"], metric)
    return (
        f"On the test rows {metric_name(metric, evidence.target.kind)} is {estimate(found, metric)} (95 % interval; "
        f"{better_way(metric)}). Giving every row the {constant_name(evidence.target.kind)} has {majority}."
    )
