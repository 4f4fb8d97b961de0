"""Whether transfer, and the model at all, is worth more than what is simpler: by paired differences, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, plain_baseline
from medplug.core.report.language import joined, later, said, say
from medplug.core.report.names import gain, greater_is_better, metric_name

_BY_TRANSFER = {
    "better": later("Transfer between the domains helped."),
    "worse": later("Transfer between the domains hurt."),
    "unclear": later("Transfer between the domains made no clear difference."),
}
_BY_PRETRAINING = {
    "better": later("Pretraining helped."),
    "worse": later("Pretraining hurt."),
    "unclear": later("Pretraining made no clear difference."),
}
_HEADS = {"regression": later("ridge"), "survival": later("Cox"), "treatment": later("arm by arm")}
_LOGISTIC = later("logistic")
_BESIDE_A_HEAD = {
    "better": later("Training with transfer is better than a plain head on frozen features."),
    "worse": later("A plain head on frozen features is better than training with transfer."),
    "unclear": later("Training with transfer shows no clear difference from a plain head on frozen features."),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the model beats the plain baseline, in a few words and at length."""

    kind: Literal["better", "worse", "unclear", "undefined"]
    headline: str
    text: str


def verdict(evidence: Evidence) -> Verdict:
    """Compare the model with the linear baseline by the paired difference and its 95 % interval."""
    found = gain(evidence.scores["difference"][evidence.metric], evidence.metric)
    low, high = found["ci95"]
    name = metric_name(evidence.metric)
    if found["value"] is None or low is None or high is None:
        return Verdict(
            "undefined",
            say("The model and the simple baseline cannot be compared."),
            say(
                "The difference in {metric} is not defined on this test split, so nothing can be concluded from it.",
                metric=name,
            ),
        )
    if low > 0:
        text = joined(_by(evidence), say("The interval is above 0."), _reserve(evidence))
        return Verdict("better", say("The model is better than the simple baseline."), text)
    if high < 0:
        return Verdict(
            "worse",
            say("The simple baseline wins."),
            joined(_by(evidence), say("The interval is below 0: the simpler model should be preferred.")),
        )
    return Verdict(
        "unclear",
        say("There is no clear difference from the simple baseline."),
        joined(_by(evidence), say("The interval contains 0: the data do not show that transfer helped.")),
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
    text = say(
        "Against a plain {head} head on the same labels and frozen features the gain in {metric} is {gain}.",
        head=said(_HEADS.get(evidence.target.kind, _LOGISTIC)),
        metric=metric_name(evidence.metric),
        gain=estimate(found, evidence.metric, signed=True),
    )
    kind: Literal["better", "worse", "unclear"] = "worse" if high < 0 else "better" if low > 0 else "unclear"
    if scores["backbone"] == "trained":
        reserve = say("The backbone was trained as well: what the transfer alone added was not measured.")
        return Verdict(kind, said(_BESIDE_A_HEAD[kind]), joined(text, reserve))
    advice = say("Prefer the head, or another method.") if high < 0 else ""
    return Verdict(kind, said(_BY_TRANSFER[kind]), joined(text, advice))


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
    text = say(
        "Against a linear head on the same network with random weights the gain in {metric} is {gain}.",
        metric=metric_name(evidence.metric),
        gain=estimate(found, signed=True),
    )
    return Verdict(kind, said(_BY_PRETRAINING[kind]), text)


def _by(evidence: Evidence) -> str:
    """The paired difference as a sentence."""
    metric = evidence.metric
    found = gain(evidence.scores["difference"][metric], metric)
    key, named = plain_baseline(evidence.scores["baseline"])
    plain = estimate(evidence.scores["baseline"][key][metric], metric)
    return say(
        "On the same test rows the gain in {metric} over {baseline} ({score}) is {gain}."
        if greater_is_better(metric)
        else "On the same test rows the gain in {metric} over {baseline} ({score}) is {gain}, counted so that a lower "
        "value is a gain.",
        metric=metric_name(metric),
        baseline=say("a linear model on simple features") if key == "linear" else named,
        score=plain,
        gain=estimate(found, metric, signed=True),
    )


def _reserve(evidence: Evidence) -> str:
    """Why a good result may not hold."""
    if evidence.facts.sample:
        return say("The rows are the built-in sample, so this is no evidence for any real use.")
    leaky = any(leak.second == "test" for leak in evidence.facts.leaks)
    return say("The splits leak into the test rows (see below), so this may not hold.") if leaky else ""
