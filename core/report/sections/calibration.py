"""Whether the probabilities (of a number: the predicted values) mean what they say, and what corrections would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medplug.core.evaluation.calibration import bins_of_equal_count
from medplug.core.evaluation.statistic import WITHIN_95
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, number, score
from medplug.core.report.language import say
from medplug.core.report.names import metric_name
from medplug.core.report.section import Section
from medplug.core.report.svg import MODEL, RULE, Picture, drawing, inline, new_axes
from medplug.core.report.tables import Table


def section(evidence: Evidence) -> Section | None:
    """Slopes, errors by bins and corrections; None for kinds whose predictions have no such meaning."""
    found = evidence.scores.get("calibration")
    if found is None:
        return None
    tables = (_errors(evidence, found), _slopes(evidence, found), _corrections(evidence), _on_test(evidence))
    pictures = (_numbers(evidence, found),) if evidence.target.kind == "regression" else ()
    told = tuple(each for each in (_meaning(evidence), _settled(evidence)) if each)
    shown = tuple(each for each in tables if each is not None)
    return Section("calibration", say("Calibration"), told, pictures=pictures, tables=shown)


def _meaning(evidence: Evidence) -> str:
    if evidence.target.kind == "regression":
        return say(
            "A straight line of the measured on the predicted values: a slope of 1 and an intercept of 0 are right. "
            "Below 1 the predictions are too far apart, above 1 too close together. The intercept is the mean of "
            "measured less predicted."
        )
    return say(
        "A probability is right where it comes true as often as it says. A slope of 1 and an intercept of 0 are right: "
        "below 1 the probabilities are too extreme, above 1 too timid; an intercept above 0 says that they are too "
        "low on the whole, below 0 too high (Cox, 1958; the intercept with the slope held at 1)."
    )


def _errors(evidence: Evidence, found: Mapping[str, Any]) -> Table | None:
    if "ece" not in found:
        return None
    rows = [
        [
            say("error over {n} bins of equal width", n=found["ece"]["width"]["bins"]),
            estimate(found["ece"]["width"]),
        ],
        [say("error over {n} bins of equal count", n=found["ece"]["count"]["bins"]), estimate(found["ece"]["count"])],
    ]
    metrics = evidence.scores["metrics"]
    rows += [[metric_name(name), estimate(metrics[name])] for name in ("brier", "log_loss") if name in metrics]
    note = say(
        "The error is the mean distance between a bin's mean probability and how often it came true. It depends on the "
        "bins, and of few rows it is above 0 by chance alone."
    )
    return Table(say("Calibration of the probabilities"), [say("measure"), say("on test rows")], rows, notes=[note])


def _slopes(evidence: Evidence, found: Mapping[str, Any]) -> Table | None:
    by_class = {"": found} if "slope" in found else found.get("by_class")
    if not by_class:
        return None
    unit = "mae" if evidence.target.kind == "regression" else ""
    binary = evidence.target.kind == "binary"
    rows = [
        [
            name or (evidence.target.classes[1] if binary else evidence.target.classes[0]),
            estimate(each["slope"]),
            estimate(each["intercept"], unit, signed=True),
        ]
        for name, each in by_class.items()
    ]
    return Table(say("Calibration slope and intercept"), [say("of"), say("slope"), say("intercept")], rows)


def _settled(evidence: Evidence) -> str:
    """Which correction the model has, and by whom it was asked for."""
    found = evidence.scores.get("recalibration")
    if found is None:
        return ""
    if found["chosen"] != "none":
        return say(
            "The probabilities are corrected by {method}, fitted on {rows} validation rows, which also chose the "
            "epoch.",
            method=_method(found["chosen"]),
            rows=f"{found['rows']:,}",
        )
    if found["asked"] == "none":
        return say(
            "The probabilities are as the model gives them; selection.calibration=auto lets validation rows correct "
            "them."
        )
    return say("The validation rows settled no correction (selection.calibration={asked}).", asked=found["asked"])


def _corrections(evidence: Evidence) -> Table | None:
    found = evidence.scores.get("recalibration")
    if found is None or not found["log_loss"]:
        return None
    losses = found["log_loss"]
    best = min(losses, key=lambda name: losses[name])
    rows = [[_method(name), score(loss, "log_loss")] for name, loss in losses.items()]
    note = say("Each is fitted on four fifths of the validation rows and told on the others, by whole groups.")
    caption = say("Corrections, cross-validated on validation rows")
    header = [say("correction"), metric_name("log_loss")]
    return Table(caption, header, rows, frozenset({([*losses].index(best), 1)}), notes=[note])


def _on_test(evidence: Evidence) -> Table | None:
    found = evidence.scores.get("recalibration", {}).get("test")
    if not found:
        return None
    rows = [
        [metric_name(name), estimate(found["before"][name]), estimate(found["after"][name])] for name in found["before"]
    ]
    return Table(say("The correction on test rows"), [say("metric"), say("before"), say("after")], rows)


def _method(name: str) -> str:
    named = {
        "none": say("none"),
        "temperature": say("temperature"),
        "platt": say("slope and intercept (Platt)"),
        "isotonic": say("isotonic steps"),
    }
    return named[name]


def _numbers(evidence: Evidence, found: Mapping[str, Any]) -> Picture:
    """Measured on predicted values: means of bins of equal count, and the line with its band."""
    name, title = "calibration-line", say("Measured by predicted value")
    predicted, curve = evidence.probabilities[:, 0], found["curve"]
    bins = bins_of_equal_count(predicted)
    with drawing():
        figure, axes = new_axes(3.9, 3.6)
        axes.plot([curve["at"][0], curve["at"][-1]], [curve["at"][0], curve["at"][-1]], color=RULE, linewidth=1)
        if None not in (*curve["low"], *curve["high"]):
            axes.fill_between(curve["at"], curve["low"], curve["high"], color=MODEL, alpha=0.18, linewidth=0)
            axes.plot(curve["at"], curve["value"], color=MODEL)
        for each in np.unique(bins):
            inside = evidence.labels[bins == each]
            error = WITHIN_95 * inside.std(ddof=1) / np.sqrt(len(inside)) if len(inside) > 1 else 0.0
            place = float(predicted[bins == each].mean())
            axes.errorbar(place, inside.mean(), error, color=MODEL, marker="o", markersize=3.5, elinewidth=0.8)
        axes.set(xlabel=say("predicted"), ylabel=say("measured"))
        axes.grid()
        axes.set_axisbelow(True)
        caption = say(
            "Dots are means of {bins} bins of equal count, with 95 % intervals; the line is least squares, with its "
            "95 % band. On the thin line predictions are right. Slope {slope}.",
            bins=int(bins.max()) + 1,
            slope=number(found["slope"]["value"]),
        )
        return Picture(name, title, caption, inline(figure, name, title, caption))
