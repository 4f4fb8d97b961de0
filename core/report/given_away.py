"""What gives labels away, and how far the rows of a test are from those of training, as cautions."""

from __future__ import annotations

from collections.abc import Iterator

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate
from medplug.core.report.language import say

FAR = 0.6
"""A domain classifier's AUROC whose interval lies above this tells of rows that are of another kind."""
_LISTED = 5


def revealing_told(evidence: Evidence) -> Iterator[str]:
    """The columns and words that alone tell the label almost perfectly; a sentence for each kind."""
    found = evidence.facts.revealing
    columns = [each for each in found if each.what == "column"]
    words = [each for each in found if each.what == "word"]
    if columns:
        yield say(
            "Leakage: a single column tells the label almost perfectly ({names}): if it is written when the label is "
            "known, leave it out of data.tabular; else no model is needed.",
            names=say(", ").join(f"{each.name} {each.score:.3f}" for each in columns[:_LISTED]),
        )
    if words:
        yield say(
            "Leakage: a single word in the {slots} tells the label almost perfectly ({names}); a model may read the "
            "answer there in place of finding it. Use texts written before the label was known.",
            slots=say(" and ").join(dict.fromkeys(each.slot for each in words)),
            names=say(", ").join(f"{each.name} {each.score:.3f}" for each in words[:_LISTED]),
        )


def shift_told(evidence: Evidence) -> Iterator[str]:
    """Whether test rows are of another kind than training rows, by a classifier that tells them apart."""
    auroc = evidence.scores.get("shift", {}).get("train and test", {}).get("auroc")
    if auroc is not None and auroc["ci95"][0] is not None and auroc["ci95"][0] > FAR:
        yield say(
            "Test rows can be told from training rows by simple features (AUROC {auroc}): the scores are those of rows "
            "of another kind than the model was trained on.",
            auroc=estimate(auroc),
        )
