"""What the report tells of written answers: what they were written from, and what their scores do not say."""

from __future__ import annotations

from medplug.core.report.answer_scores import answer_scores
from medplug.core.report.evidence import Evidence
from medplug.core.report.formats import estimate, number, share, undefined
from medplug.core.report.language import say
from medplug.core.report.svg import Picture
from medplug.core.report.tables import Table


class TextWords:
    """The words, tables and figures of written answers; no text of a row is among them."""

    def predicted(self, evidence: Evidence) -> str:
        """What is predicted."""
        return say("the answer to a question, in words of its own")

    def baselines(self, evidence: Evidence) -> str:
        """What the answers beside the model's are."""
        return say(
            "The nearest question's answer is that of the training question that BM25 finds first; the commonest "
            "answer is the one that most training rows have. Neither needs a model. Exact match is the share of the "
            "answers that are the right one but for case, punctuation and articles, token F1 the mean overlap of "
            "their words, ROUGE-L that of words in the same order."
        )

    def labels(self, evidence: Evidence) -> Table:
        """Nothing: answers have no classes."""
        return Table(say("Answers"), [say("split")], [])

    def tables(self, evidence: Evidence) -> list[Table]:
        """What the test answers were written from, and how well the model knows its own wording."""
        found, rows = evidence.scores["written"], evidence.scores["n"]
        told = found["score_auroc"]
        given = say("answers written from at least one passage (or the row's own context)")
        sure = say("AUROC of the answer's score for a token F1 of at least .5")
        cells = [
            [given, _of(found["with_passages"], rows)],
            [say("passages an answer, on average"), number(found["passages"])],
            [say("right answers that stand word for word in what was given"), _of(found["held"], rows)],
            [say("answers without a word"), _of(found["empty"], rows)],
            [say("negative log-likelihood of the right answer, a token"), estimate(found["log_loss"], "log_loss")],
            [sure, undefined() if told is None else number(told)],
        ]
        notes = [say("An answer's score is the mean log-probability of its tokens: how sure of its wording it is.")]
        return [Table(say("How the test answers were written"), [say("what"), say("value")], cells, notes=notes)]

    def pictures(self, evidence: Evidence) -> list[Picture]:
        """How the rows are spread over token F1: a mean may be of rows half right, or of few that are wholly so."""
        return [answer_scores(evidence, "token_f1", say("nearest question's answer"))]


def _of(rows: int, all_rows: int) -> str:
    return f"{rows:,} ({share(rows, all_rows)})"
