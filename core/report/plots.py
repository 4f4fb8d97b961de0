"""The report's figures, drawn from the test split's probabilities and the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medplug.core.report.curves import calibration, precision_recall, roc
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate
from medplug.core.report.language import joined, say
from medplug.core.report.names import metric_name
from medplug.core.report.outliving import risk_groups
from medplug.core.report.own import own_words
from medplug.core.report.scatter import agreement, predicted
from medplug.core.report.svg import BASELINE, HEAT, INK, MODEL, RULE, Picture, drawing, inline, new_axes
from medplug.core.report.treatments import treatment_pictures

MOST_CELLS = 20
MOST_BARS = 60
HEAT_OPACITY = 0.6
"""How strongly a share of 1 is shaded; the ink must stay readable on it."""

_COUNT_ONLY = 6
_NAME = 22
_WIDTH = 4.6


def pictures(evidence: Evidence) -> list[Picture]:
    """Every figure that this kind of target has, in reading order."""
    kind = evidence.target.kind
    own = own_words(kind)
    with drawing():
        if own is not None:
            return [*own.pictures(evidence), *([_history(evidence)] if evidence.history else [])]
        if kind == "regression":
            return [predicted(evidence), agreement(evidence), *([_history(evidence)] if evidence.history else [])]
        if kind == "survival":
            return [risk_groups(evidence), *([_history(evidence)] if evidence.history else [])]
        if kind == "treatment":
            return [*treatment_pictures(evidence), *([_history(evidence)] if evidence.history else [])]
        if kind == "mask":
            return [_classes(evidence, "dice"), images(evidence), *([_history(evidence)] if evidence.history else [])]
        found = [] if kind == "multilabel" else [_confusion(evidence)]
        found += [_classes(evidence)] if kind != "binary" else [_roc(evidence), _precision_recall(evidence)]
        found.append(reliability(evidence))
        found += [_history(evidence)] if evidence.history else []
    return found


def _confusion(evidence: Evidence) -> Picture:
    name, title = "confusion", say("Confusion matrix")
    classes = [_short(each) for each in evidence.target.classes]
    size = len(classes)
    if size > MOST_CELLS:
        why = say("Not drawn: it would have {size} x {size} cells; see the table by class.", size=size)
        return Picture(name, title, why, None)
    cells = np.zeros((size, size), dtype=np.int64)
    np.add.at(cells, (evidence.labels, evidence.target.decide(evidence.probabilities)), 1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    side = max(2.6, (0.52 if size <= _COUNT_ONLY else 0.36) * size)
    figure, axes = new_axes(side + 1.7, side + 1.1)
    for row, column in np.ndindex(size, size):
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=HEAT, alpha=HEAT_OPACITY * shares[row, column], linewidth=0))
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=RULE, linewidth=0.6))
        text = f"{cells[row, column]:,}"
        text += f"\n{100 * shares[row, column]:.0f} %" if size <= _COUNT_ONLY else ""
        axes.text(column, row, text, ha="center", va="center", fontsize=8 if size <= 12 else 7)
    tilt: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if size > 3 else {}
    axes.set_xticks(range(size), classes, **tilt)
    axes.set_yticks(range(size), classes)
    axes.set(
        xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal", xlabel=say("decided"), ylabel=say("true")
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    right = int(np.trace(cells))
    told = say(
        "{title}: {right:,} of {rows:,} test rows are on the diagonal, decided rightly.",
        title=title,
        right=right,
        rows=int(cells.sum()),
    )
    caption = say(
        "Test rows by true class (down) and decided class (across); the shade is the share of the true class."
    )
    return Picture(name, title, caption, inline(figure, name, title, told))


def _roc(evidence: Evidence) -> Picture:
    name, title = "roc", say("ROC curve")
    positive = evidence.labels == 1
    if positive.all() or not positive.any():
        return Picture(name, title, say("Not drawn: the test rows are all of one class."), None)
    figure, axes = new_axes(3.9, 3.6)
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    axes.plot(
        *roc(positive, evidence.baseline[:, 1]), color=BASELINE, linestyle=(0, (4, 2)), label=say("linear baseline")
    )
    axes.plot(*roc(positive, evidence.probabilities[:, 1]), color=MODEL, label=say("model"))
    axes.set(xlabel=say("false positive rate"), ylabel=say("true positive rate (recall)"))
    _unit_square(axes, "lower right")
    told = _both(evidence, "auroc")
    caption = joined(say("{told}.", told=told), say("The thin diagonal is chance."))
    return Picture(name, title, caption, inline(figure, name, title, say("{title}: {told}.", title=title, told=told)))


def _precision_recall(evidence: Evidence) -> Picture:
    name, title = "precision-recall", say("Precision and recall")
    positive = evidence.labels == 1
    if not positive.any():
        return Picture(name, title, say("Not drawn: no test row is positive."), None)
    figure, axes = new_axes(3.9, 3.6)
    step: dict[str, Any] = {"drawstyle": "steps-post"}
    plain = precision_recall(positive, evidence.baseline[:, 1])
    axes.axhline(float(positive.mean()), color=RULE, linewidth=1)
    axes.plot(*plain, color=BASELINE, linestyle=(0, (4, 2)), label=say("linear baseline"), **step)
    axes.plot(*precision_recall(positive, evidence.probabilities[:, 1]), color=MODEL, label=say("model"), **step)
    axes.set(xlabel=say("recall"), ylabel=say("precision"))
    _unit_square(axes, "lower left")
    told = _both(evidence, "auprc")
    thin = say("The thin line is the share of positive rows, {share:.3f}.", share=float(positive.mean()))
    caption = joined(say("{told}.", told=told), thin)
    return Picture(name, title, caption, inline(figure, name, title, say("{title}: {told}.", title=title, told=told)))


def reliability(evidence: Evidence) -> Picture:
    """How often decisions of each probability were right."""
    name, title = "reliability", say("Reliability")
    bins = calibration(evidence.target, evidence.labels, evidence.probabilities)
    figure = Figure(figsize=(3.9, 4.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    fitted = _band(axes, evidence.scores.get("calibration", {}).get("curve"))
    errors = np.abs(bins.interval - bins.observed)
    axes.errorbar(bins.confidence, bins.observed, errors, color=MODEL, marker="o", markersize=3.5, elinewidth=0.8)
    axes.set(ylabel=bins.axes[1], xlim=(0, 1), ylim=(-0.02, 1.02))
    below.bar(bins.left, bins.rows, width=bins.width, align="edge", color=MODEL, alpha=0.55)
    below.set(xlabel=bins.axes[0], ylabel=bins.unit)
    for each in (axes, below):
        each.grid(axis="y")
        each.set_axisbelow(True)
    ece = evidence.scores["metrics"].get("ece")
    error = say("{metric}: {value}.", metric=_capital(metric_name("ece")), value=estimate(ece)) if ece else ""
    told = say("{title} in {bins}, with the counts below.", title=title, bins=count(len(bins.rows), "bin"))
    caption = say(
        "On the diagonal a probability means what it says. Bars: Wilson 95 % intervals, by {unit}.", unit=bins.unit
    )
    line = say("Dashed: the logistic calibration line, with its 95 % band.") if fitted else ""
    return Picture(name, title, joined(caption, line, error), inline(figure, name, title, joined(told, error)))


def _band(axes: Axes, curve: Mapping[str, Any] | None) -> bool:
    """The calibration line of a binary target with its band, and whether it has one."""
    if curve is not None and None not in (*curve["low"], *curve["high"]):
        axes.fill_between(curve["at"], curve["low"], curve["high"], color=MODEL, alpha=0.18, linewidth=0)
        axes.plot(curve["at"], curve["value"], color=MODEL, linewidth=1, linestyle=(0, (4, 2)))
        return True
    return False


def _classes(evidence: Evidence, metric: str = "f1") -> Picture:
    name, title = "classes", say("{metric} by class", metric=metric_name(metric))
    found = [(each, part["metrics"][metric]) for each, part in evidence.scores["by_class"].items()]
    if len(found) > MOST_BARS:
        return Picture(name, title, say("Not drawn for {n} classes; see the table by class.", n=len(found)), None)
    figure, axes = new_axes(_WIDTH, 0.9 + 0.24 * len(found))
    for row, (_, f1) in enumerate(found):
        if f1["value"] is not None:
            low, high = (f1["value"] if bound is None else bound for bound in f1["ci95"])
            axes.plot([low, high], [row, row], color=MODEL, linewidth=1.2, solid_capstyle="butt")
            axes.plot([f1["value"]], [row], color=MODEL, marker="o", markersize=4.5)
    axes.set_yticks(range(len(found)), [_short(each) for each, _ in found])
    axes.set(xlim=(-0.02, 1.02), ylim=(len(found) - 0.5, -0.5), xlabel=metric_name(metric))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    undefined = sum(f1["value"] is None for _, f1 in found)
    caption = say(
        "{metric} of each class, with 95 % intervals."
        if metric == "dice"
        else "{metric} of each class against the rest, with 95 % intervals.",
        metric=metric_name(metric),
    )
    lacking = count(undefined, "class", "classes")
    caption = joined(caption, say("It is not defined for {classes}.", classes=lacking) if undefined else "")
    told = say("{title}, with 95 % intervals; see the table.", title=title)
    return Picture(name, title, caption, inline(figure, name, title, told))


def images(evidence: Evidence) -> Picture:
    """How the images of the test split are spread over Dice: a mean of .7 may be all fair, or some not found at all."""
    name, title = "images", say("Dice of each test image")
    figure, axes = new_axes(3.9, 3.2)
    for values, style, label in (
        (evidence.baseline, {"color": BASELINE, "linestyle": (0, (4, 2))}, say("linear baseline")),
        (evidence.probabilities, {"color": MODEL}, say("model")),
    ):
        sorted_values = np.sort(values[~np.isnan(values)])
        shares = np.arange(1, len(sorted_values) + 1) / max(len(sorted_values), 1)
        axes.plot(np.r_[0, sorted_values, 1], np.r_[0, shares, 1], drawstyle="steps-post", label=label, **style)
    axes.set(xlabel=metric_name("dice"), ylabel=say("share of images with no more"))
    _unit_square(axes, "lower right")
    missed = int((evidence.probabilities == 0).sum())
    caption = joined(
        say("Each image and class that is in the true mask or the predicted one counts once."),
        say(
            "With a Dice of 0: {times} (missed altogether, or found where there is none).", times=count(missed, "time")
        ),
    )
    return Picture(name, title, caption, inline(figure, name, title, joined(say("{title}.", title=title), caption)))


def _history(evidence: Evidence) -> Picture:
    name, title = "history", say("Training by epoch")
    metric, best = evidence.metric, evidence.notes.get("best epoch")
    panels = [("loss", say("training loss")), (metric, say("validation {metric}", metric=metric_name(metric)))]
    figure = Figure(figsize=(3.9, 4.2), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(2, 1, sharex=True), panels, strict=True):
        points = [(row["epoch"], row[key]) for row in evidence.history if key in row]
        axes.plot([x for x, _ in points], [y for _, y in points], color=MODEL, marker="o", markersize=3.5)
        if best is not None:
            axes.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set(ylabel=label)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
    axes.set_xlabel(say("epoch"))
    axes.xaxis.get_major_locator().set_params(integer=True)
    whose = say(
        "Loss and validation score of the first member of the ensemble."
        if "members" in evidence.notes
        else "Loss and validation score."
    )
    marked = "" if best is None else say("The dotted line marks the epoch kept, {n:g}, chosen on validation.", n=best)
    svg = inline(figure, name, title, joined(say("{title}.", title=title), marked))
    return Picture(name, title, joined(whose, marked), svg)


def _unit_square(axes: Axes, legend: Literal["lower left", "lower right"]) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid()
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc=legend)  # the model first, though it is drawn last


def _both(evidence: Evidence, metric: str) -> str:
    """A metric of the model and of the linear baseline, for a caption."""
    scores = evidence.scores
    if metric not in scores["metrics"]:
        return say("Model and linear baseline, {rows}", rows=count(len(evidence.labels), "test row"))
    return say(
        "{metric} of the model {model}, of the linear baseline {linear}",
        metric=metric_name(metric),
        model=estimate(scores["metrics"][metric]),
        linear=estimate(scores["baseline"]["linear"][metric]),
    )


def _short(name: str) -> str:
    """A class name that fits an axis, on one line."""
    line = " ".join(name.split())
    return line if len(line) <= _NAME else line[: _NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
