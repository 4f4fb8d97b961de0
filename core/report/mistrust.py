"""Where probabilities and sets did not keep on test rows what they promise, for the cautions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, score
from medplug.core.report.language import say

_SLOPES = (0.8, 1.25)
_INTERCEPTS = (-0.2, 0.2)
"""A slope or an intercept (of log odds) whose whole interval is outside of these is told: the data show that it is
off, and by more than does not matter."""


def uncalibrated(evidence: Evidence) -> Iterator[str]:
    """That probabilities of two classes are clearly too extreme, too timid, too high or too low."""
    found = evidence.scores.get("calibration", {})
    if evidence.target.kind == "binary" and "slope" in found:
        if beyond := _beyond(found["slope"], _SLOPES):
            yield say(
                "The probabilities are too extreme: calibration slope {slope}."
                if beyond < 0
                else "The probabilities are too timid: calibration slope {slope}.",
                slope=estimate(found["slope"]),
            )
        if beyond := _beyond(found["intercept"], _INTERCEPTS):
            yield say(
                "The probabilities are too high on the whole: calibration intercept {intercept}."
                if beyond < 0
                else "The probabilities are too low on the whole: calibration intercept {intercept}.",
                intercept=estimate(found["intercept"], signed=True),
            )
    yield from _miscorrected(evidence)


def uncovered(evidence: Evidence) -> Iterator[str]:
    """That sets or intervals hold the truth of clearly fewer test rows than they are to."""
    found = evidence.scores.get("conformal", {})
    held = found.get("covered")
    if held is None or _beyond(held, (found["coverage"], 1.0)) >= 0:
        return
    yield say(
        "The intervals hold the truth of fewer test rows than promised: {held} in place of {asked}; do not rely on "
        "them."
        if evidence.target.kind == "regression"
        else "The sets hold the truth of fewer test rows than promised: {held} in place of {asked}; do not rely on "
        "them.",
        held=estimate(held),
        asked=f"{found['coverage']:g}",
    )


def _miscorrected(evidence: Evidence) -> Iterator[str]:
    told = evidence.scores.get("recalibration", {}).get("test") or {}
    before, after = (told.get(when, {}).get("log_loss", {}).get("value") for when in ("before", "after"))
    if before is not None and after is not None and after > before:
        yield say(
            "The correction of the probabilities (selection.calibration) did not help: log loss on test rows is "
            "{after} with it and {before} without.",
            after=score(after, "log_loss"),
            before=score(before, "log_loss"),
        )


def _beyond(found: Mapping[str, Any], bounds: tuple[float, float]) -> int:
    """-1 where the whole interval is below `bounds`, 1 where it is above, else 0."""
    low, high = found["ci95"]
    if low is None or high is None:
        return 0
    return -1 if high < bounds[0] else int(low > bounds[1])
