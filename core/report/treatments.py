"""Tables and figures of advice on treatments."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medplug.core.evaluation.treatment import given, propensities
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate, number, share
from medplug.core.report.language import joined, later, said, say
from medplug.core.report.retold import retold
from medplug.core.report.svg import BASELINE, INK, MODEL, Picture, inline, new_axes
from medplug.core.report.tables import Table

BINS = 20
_POLICIES = {"advised": later("each row as advised"), "as seen": later("as it was (mean outcome)")}
_SHARE, _PANEL = 1000, 1.7


def treatment_tables(evidence: Evidence) -> list[Table]:
    """What policies are worth, what arms do on average, and overlap; empty for every other kind of target."""
    if evidence.target.kind != "treatment":
        return []
    return [_policies(evidence), _effects(evidence), _overlap(evidence)]


def assumptions(evidence: Evidence) -> list[str]:
    """What must hold for the numbers to mean cause and effect; empty for every other kind of target."""
    return [retold(each) for each in evidence.scores.get("treatment", {}).get("assumptions", ())]


def treatment_pictures(evidence: Evidence) -> list[Picture]:
    """The values of policies, and the propensities by arm. To be called within `drawing`."""
    return [_policy_values(evidence), _propensities(evidence)]


def _unit(evidence: Evidence) -> str:
    """The metric whose decimals an outcome is written with."""
    return "" if evidence.target.binary_outcome else "factual_mae"


def _policies(evidence: Evidence) -> Table:
    found, unit = evidence.scores["treatment"], _unit(evidence)
    shares = {f"all {arm}": part for arm, part in found["advised_share"].items()}
    rows = [
        [
            _policy_name(name),
            estimate(value, unit),
            share(round(_SHARE * shares[name]), _SHARE) if name in shares else "",
        ]
        for name, value in found["policies"].items()
    ]
    over = {"over_best_single_arm": say("all {arm}", arm=found["best_single_arm"]), "over_as_seen": say("as it was")}
    rows += [
        [say("gain as advised over {policy}", policy=over[name]), estimate(value, unit, signed=True), ""]
        for name, value in found["gain"].items()
    ]
    way = say("Higher is better; a gain is above 0 where advice is better.")
    notes = [
        joined(
            way if found["better"] == "higher" else say("Lower is better; a gain is above 0 where advice is better."),
            say(
                "Values are doubly robust, by the model's own outcomes and propensities; intervals take these as they "
                "are. The best single arm is the best on these rows."
            ),
        )
    ]
    what = _outcome(evidence)
    header = [say("policy"), say("mean {what}", what=what), say("rows advised it")]
    return Table(say("{what} by policy", what=what), header, rows, notes=notes)


def _policy_name(name: str) -> str:
    if name in _POLICIES:
        return said(_POLICIES[name])
    return say("all {arm}", arm=name.removeprefix("all "))


def _effects(evidence: Evidence) -> Table:
    unit = _unit(evidence)
    rows = [
        [arm, *(estimate(each[name], unit, signed=True) for name in ("effect", "raw_difference"))]
        for arm, each in evidence.scores["treatment"]["effects"].items()
    ]
    control = evidence.target.classes[0]
    header = [say("against {arm}", arm=control), say("adjusted (doubly robust)"), say("raw difference of the groups")]
    return Table(say("Mean effect on {what}", what=_outcome(evidence)), header, rows)


def _overlap(evidence: Evidence) -> Table:
    found = evidence.scores["treatment"]["overlap"]
    rows = []
    for arm, each in found["arms"].items():
        low, middle, high = (number(value) for value in each["quantiles"])
        told = [share(round(_SHARE * (each[side] or 0)), _SHARE) for side in ("below", "above")]
        effective = f"{each['effective_rows']:.0f}"
        rows.append(
            [arm, f"{each['rows']:,}", f"{middle} [{low}, {high}]", number(each["median_of_others"]), *told, effective]
        )
    header = [say("arm"), say("rows given it"), say("its propensity (median, 5 to 95 %)"), say("in other rows")]
    header += [say("below .05"), say("above .95"), say("effective rows")]
    note = say(
        "{few} of the rows have an arm of a propensity below .05. Propensities: AUROC {auroc}, Brier score {brier}. "
        "Effective rows are what inverse propensity weights are worth.",
        few=share(round(_SHARE * found["rows_with_an_unlikely_arm"]), _SHARE),
        auroc=estimate(found["auroc"]),
        brier=number(found["brier"]),
    )
    return Table(say("Overlap of the arms"), header, rows, notes=[note])


def _outcome(evidence: Evidence) -> str:
    name = evidence.scores["treatment"]["outcome"]
    return say("share of {name}", name=name) if evidence.target.binary_outcome else str(name)


def _policy_values(evidence: Evidence) -> Picture:
    name, title = "policies", say("{what} by policy", what=_outcome(evidence))
    found = evidence.scores["treatment"]["policies"]
    figure, axes = new_axes(4.6, 0.9 + 0.3 * len(found))
    for row, (policy, each) in enumerate(found.items()):
        colour = MODEL if policy == "advised" else INK
        if each["value"] is not None:
            low, high = (each["value"] if bound is None else bound for bound in each["ci95"])
            axes.plot([low, high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
            axes.plot([each["value"]], [row], color=colour, marker="o", markersize=4.5)
    axes.set_yticks(range(len(found)), [_short(_policy_name(policy)) for policy in found])
    axes.set(ylim=(len(found) - 0.5, -0.5), xlabel=_outcome(evidence))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    caption = say(
        "Estimated mean {what} under each policy, with 95 % intervals; {better}.",
        what=_outcome(evidence),
        better=say("higher is better")
        if evidence.scores["treatment"]["better"] == "higher"
        else say("lower is better"),
    )
    return Picture(name, title, caption, inline(figure, name, title, caption))


def _propensities(evidence: Evidence) -> Picture:
    """How likely an arm was, in the rows that were given it and in the others; of two arms the second alone."""
    name, title = "overlap", say("Overlap: propensities by arm")
    chances, own = propensities(evidence.target, evidence.probabilities), given(evidence.labels)
    arms = evidence.target.classes
    shown = range(1, 2) if len(arms) == 2 else range(len(arms))
    figure = Figure(figsize=(4.2, 1.2 + _PANEL * len(shown)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    for axes, arm in zip(panels, shown, strict=True):
        _histogram(axes, chances[:, arm], own == arm, _short(arms[arm]))
    panels[-1].set_xlabel(say("propensity"))
    caption = say(
        "How likely each arm was given, in rows that got it and in those that did not ({rows}). Where the two do not "
        "overlap, advice rests on the model alone.",
        rows=count(len(own), "test row"),
    )
    return Picture(name, title, caption, inline(figure, name, title, joined(say("{title}.", title=title), caption)))


def _histogram(axes: Axes, chances: Any, members: Any, arm: str) -> None:
    edges = np.linspace(0, 1, BINS + 1)
    for rows, label, style in (
        (~members, say("not given {arm}", arm=arm), {"color": BASELINE, "linestyle": (0, (4, 2))}),
        (members, say("given {arm}", arm=arm), {"color": MODEL}),
    ):
        counts = np.histogram(chances[rows], edges)[0] / max(int(rows.sum()), 1)
        axes.stairs(counts, edges, label=label, linewidth=1.4, **style)
    axes.set(ylabel=say("share of rows"), xlim=(0, 1))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend()


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= 24 else line[:23] + "\N{HORIZONTAL ELLIPSIS}"
