"""Why some rows were predicted as they were: which of their parts spoke for it."""

from __future__ import annotations

from collections.abc import Sequence

from medplug.core.explaining.attribution import Attribution
from medplug.core.report.attributions import drawn
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import number
from medplug.core.report.language import say
from medplug.core.report.section import Section
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table

_ALIKE = 0.5
"""Scores whose ranks agree more than this with those of random weights tell more of the row than of the model."""


def section(evidence: Evidence) -> Section | None:
    """The explained test rows; None where there are none."""
    if failed := evidence.scores.get("explanations", {}).get("failed"):
        told = say("Not made: the backbone could not be followed ({error}).", error=failed)
        return Section("explanations", say("Explanations of single rows"), (told,))
    return rows_explained(evidence.explanations, numeric=not evidence.target.has_classes)


def rows_explained(found: Sequence[Attribution], *, numeric: bool) -> Section | None:
    """A figure for every explanation, what each kind of them means, and one table of all.

    `numeric` says that what is predicted is a number, which is raised or lowered.
    """
    if not found:
        return None
    methods = [method_told(method) for method in dict.fromkeys(each.method for each in found)]
    told = [
        say(
            "What in a row spoke for its prediction (blue; of a number: raised it) and against it (orange; lowered "
            "it). It shows what this model read, and proves no cause."
        ),
        *(each for each in methods if each),
        *checked(found),
    ]
    pictures = tuple(_picture(each, i, numeric) for i, each in enumerate(found, start=1))
    return Section("explanations", say("Explanations of single rows"), tuple(told), pictures, (_table(found),))


def method_told(method: str) -> str:
    """One sentence on a method, with its source; empty of one that is not known here."""
    if method == "integrated_gradients":
        return say(
            "Integrated gradients (Sundararajan et al., 2017) share out the model's output (a logit, or the number "
            "itself) among tokens, residues or atoms, on the way from an input without them to the row; the scores sum "
            "to the difference."
        )
    if method == "grad_cam":
        return say(
            "Grad-CAM (Selvaraju et al., 2017) weighs the last maps of a convolutional network by the gradient of the "
            "output; its cells are coarse, and show where and not what."
        )
    if method == "attention_rollout":
        return say(
            "Attention rollout (Abnar and Zuidema, 2020), weighted by the gradient of the output (Chefer et al., "
            "2021), follows a vision transformer's attention back to the patches; it has no scores against."
        )
    if method == "shapley_values":
        return say(
            "Shapley values (Štrumbelj and Kononenko, 2014) share out how far the prediction is from what the model "
            "says where columns or modalities are those of other rows, and stretches of a recording a flat line; the "
            "scores sum to that."
        )
    return ""


def method_name(method: str) -> str:
    """What a method is called."""
    names = {
        "integrated_gradients": say("integrated gradients"),
        "grad_cam": say("Grad-CAM"),
        "attention_rollout": say("attention rollout"),
        "shapley_values": say("Shapley values"),
    }
    return names.get(method, method)


def unit_name(unit: str) -> str:
    """What units of a kind are called."""
    names = {
        "token": say("tokens"),
        "character": say("characters"),
        "residue": say("residues"),
        "atom": say("atoms"),
        "segment": say("segments"),
    }
    return names.get(unit, unit)


def checked(found: Sequence[Attribution]) -> list[str]:
    """What the check with random weights found, in a sentence; none where it was not made."""
    likeness = [each.sanity for each in found if each.sanity is not None]
    if not likeness:
        return []
    mean = sum(likeness) / len(likeness)
    told = say(
        "Check with random weights (Adebayo et al., 2018): the same network, untrained, gives scores whose sizes agree "
        "with these at a mean rank correlation of {mean} over {n} explanations (1: the same order, 0: none).",
        mean=number(mean),
        n=len(likeness),
    )
    if mean <= _ALIKE:
        return [told + " " + say("The explanations depend on what was learned.")]
    return [
        told
        + " "
        + say(
            "That is much alike: these explanations tell more of the rows and of the network's design than of what "
            "was learned, and should not be leaned on."
        )  # fmt: skip
    ]


def _picture(each: Attribution, place: int, numeric: bool) -> Picture:
    title = say("Row {row}, {slot}", row=each.row, slot=each.slot) if each.slot else say("Row {row}", row=each.row)
    caption = (
        say("What moved {what}.", what=each.predicted) if numeric else say("Speaks for {what}.", what=each.predicted)
    )
    if not (each.names or each.content.words or each.content.molecule or each.unit == "pixel"):
        caption += " " + say("One bar for each of its parts ({unit}), in their order.", unit=unit_name(each.unit))
    if each.unit == "pixel" and len(each.scores) > 1:
        caption += " " + say("Of {n} slices the one with the largest scores.", n=len(each.scores))
    if not each.scores.size:
        caption = say("Nothing of it was read.")
    return Picture(f"explained-{place}", title, caption, drawn(each))


def _table(found: Sequence[Attribution]) -> Table:
    header = [
        say("row"),
        say("input"),
        say("prediction"),
        say("method"),
        say("parts"),
        say("sum of scores"),
        say("to be shared out"),
        say("like random weights"),
    ]
    checked_at_all = any(each.sanity is not None for each in found)
    rows = [
        [
            str(each.row),
            each.slot or say("all inputs"),
            each.predicted,
            method_name(each.method),
            f"{each.scores.size:,}",
            number(float(each.scores.sum()), signed=True),
            "" if each.total is None else number(each.total, signed=True),
            "" if each.sanity is None else number(each.sanity),
        ]
        for each in found
    ]
    caption = say("Explained rows. Where a method shares out the output, the sum of scores is to be that.")
    kept = len(header) if checked_at_all else len(header) - 1
    return Table(caption, header[:kept], [row[:kept] for row in rows], digits=False)
