"""What the report tells of answers in contexts: how many rows have one, and how well each kind of row does."""

from __future__ import annotations

from medplug.core.report.answer_scores import answer_scores
from medplug.core.report.evidence import AnswerFacts, Evidence
from medplug.core.report.formats import estimate, number, share, undefined
from medplug.core.report.language import say
from medplug.core.report.names import metric_name
from medplug.core.report.retold import retold
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table


class Spans:
    """The words, tables and figures of spans; no text of a row is among them."""

    def predicted(self, evidence: Evidence) -> str:
        """What is predicted."""
        return say("where in a context the answer to a question begins and ends, or that the context has none")

    def baselines(self, evidence: Evidence) -> str:
        """What the plain baselines are."""
        return say(
            "The sentence nearest the question is that of the context with the highest TF-IDF cosine to it, or "
            "none below a cosine that validation rows set; the constant answer is none where most training rows have "
            "none, else the context's first sentence."
        )

    def labels(self, evidence: Evidence) -> Table:
        """How many rows of each split have no answer, and how long answers and contexts are."""
        found = {name: (split.rows, split.answers) for name, split in evidence.splits.items() if split.answers}
        rows = [[retold(name), *_lengths(rows, answers)] for name, (rows, answers) in found.items()]
        header = [say("split"), say("rows without an answer")]
        header += [say("characters of an answer (median)"), say("of a context (median)")]
        return Table(say("Answers and their contexts"), header, rows)

    def tables(self, evidence: Evidence) -> list[Table]:
        """The scores of rows with and without an answer, and how many are given one."""
        return [_by_answer(evidence), _given(evidence)]

    def pictures(self, evidence: Evidence) -> list[Picture]:
        """How the rows are spread over the metric: a mean of .7 may be all fair, or three right of ten wrong."""
        return [answer_scores(evidence, evidence.metric, say("nearest sentence"))]


def _lengths(rows: int, facts: AnswerFacts) -> list[str]:
    without = rows - facts.answered
    medians = (undefined() if each is None else f"{each:,.0f}" for each in (facts.of_answers, facts.of_contexts))
    return [f"{without:,} ({share(without, rows)})", *medians]


def _by_answer(evidence: Evidence) -> Table:
    parts = evidence.scores["spans"]["by_answer"]
    names = list(evidence.scores["metrics"])
    rows = [
        [retold(name), f"{part['n']:,}", *(estimate(part["metrics"][metric], metric) for metric in names)]
        for name, part in parts.items()
    ]
    header = [say("rows"), say("test rows"), *(metric_name(name) for name in names)]
    return Table(say("Scores of rows with and without an answer"), header, rows)


def _given(evidence: Evidence) -> Table:
    found = evidence.scores["spans"]
    rows = [
        [retold(name), f"{given:,}", f"{found['none_given'][name]:,}"]
        for name, given in found["given"].items()
        if given + found["none_given"][name]
    ]
    if found["threshold"] is None:
        note = say("An answer is always given: every validation row has one, so that nothing tells when to give none.")
    else:
        note = say(
            "An answer is given where its log odds against none are above {threshold}, which is best for the token F1 "
            "of the validation rows.",
            threshold=number(found["threshold"]),
        )
    header = [say("test rows"), say("given an answer"), say("given none")]
    return Table(say("Answers given"), header, rows, notes=[note])
