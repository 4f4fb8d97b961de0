"""What the report says of rankings: the encoder beside itself untrained, and within how many ranks answers are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import count, estimate
from medplug.core.report.language import joined, say
from medplug.core.report.names import gain, metric_name
from medplug.core.report.svg import BASELINE, MODEL, Picture, inline, new_axes
from medplug.core.report.tables import Table


class RankingWords:
    """The words, tables and figures of rankings."""

    def predicted(self, evidence: Evidence) -> str:
        """What is ranked, and how."""
        passages = count(evidence.scores["passages"], "passage")
        return say(
            "which of {passages} answer a question, as a ranking by the cosine of two vectors that one encoder gives "
            "of question and passage",
            passages=passages,
        )

    def baselines(self, evidence: Evidence) -> str:
        """What the rankings beside the model's are."""
        return say(
            "BM25 ranks the same passages by the words that they share with the question; the same order of passages "
            "for every question has those first that are right for most training rows. Scores are of the distinct "
            "test questions over all passages, those of training and validation rows among them. Every passage that "
            "a row names with the question is right."
        )

    def labels(self, evidence: Evidence) -> Table:
        """Nothing: passages have no classes."""
        return Table(say("Passages"), [say("split")], [])

    def tables(self, evidence: Evidence) -> list[Table]:
        """The encoder beside itself untrained, and after its first passages were read again."""
        return [*_beside(evidence, "untrained"), *_beside(evidence, "reranked")]

    def pictures(self, evidence: Evidence) -> list[Picture]:
        """The share of questions with a right passage among the first ranks."""
        return [found_within(evidence)]


def _beside(evidence: Evidence, name: str) -> list[Table]:
    found = evidence.scores.get(name)
    if found is None:
        return []
    if name == "untrained":
        caption = say("The encoder before and after it was trained")
        header = [say("metric"), say("trained"), say("untrained"), say("gain")]
    else:
        caption = say(
            "With the first {first} passages of each question read again by the run {run}",
            first=found["first"],
            run=found["by"],
        )
        header = [say("metric"), say("as found"), say("read again"), say("gain")]
    rows = [
        [
            metric_name(metric),
            estimate(evidence.scores["metrics"][metric], metric),
            estimate(each, metric),
            estimate(gain(found["difference"][metric], metric), metric, signed=True),
        ]
        for metric, each in found["metrics"].items()
    ]
    return [Table(caption, header, rows)]


def found_within(evidence: Evidence) -> Picture:
    """Drawn from the ranks of the first right passages ``[questions, 1]``, 0 where none was found."""
    name, title = "found-within", say("Right passages among the first ranks")
    figure, axes = new_axes(4.6, 3.4)
    depth = int(evidence.labels.max(initial=1))
    curves = {"BM25": (evidence.baseline, BASELINE, (0, (4, 2))), say("model"): (evidence.probabilities, MODEL, "-")}
    for label, (ranks, colour, style) in curves.items():
        axes.plot(np.arange(1, depth + 1), _within(ranks[:, 0], depth), color=colour, linestyle=style, label=label)
    axes.set(xlabel=say("ranks looked at"), ylabel=say("share of questions"), ylim=(0, 1.02))
    if depth > 1:
        axes.set_xscale("log")
        # figures keep their text as text, and a logarithm's own labels are formulae
        axes.set_xticks(shown := _ranks_shown(depth), [str(rank) for rank in shown])
        axes.minorticks_off()
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend()
    at = min(10, depth)
    shares = [f"{label} {_within(ranks[:, 0], depth)[at - 1]:.0%}" for label, (ranks, *_) in curves.items()]
    caption = say(
        "Share of test questions with a right passage among the first ranks. Of the first {n}: {shares}.",
        n=at,
        shares=say(", ").join(shares),
    )
    told = joined(say("{title}.", title=title), caption)
    return Picture(name, title, caption, inline(figure, name, title, told))


def _ranks_shown(depth: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 and so on, up to `depth`."""
    steps = (first * 10**power for power in range(len(str(depth))) for first in (1, 2, 5))
    return [rank for rank in steps if rank <= depth]


def _within(ranks: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
    """The share of questions whose first right passage is among the first 1, 2 ... `depth` ranks."""
    counts = np.bincount(ranks.astype(np.int64), minlength=depth + 1)[1 : depth + 1]
    return np.asarray(np.cumsum(counts) / len(ranks))
