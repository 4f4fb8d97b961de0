"""Answers that were found in contexts, and from which odds on one is given at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medplug.core.answers.windows import NONE, Integers
from medplug.core.evaluation.answers import RowScores, score_answers
from medplug.core.evaluation.reported import reported

Scores = NDArray[np.float32]
NO_ANSWER = ""
"""What is predicted, and what is right, where a context has no answer."""


@dataclass(frozen=True, slots=True)
class FoundSpans:
    """The likeliest span of every row: its first character, the one after its last, and its odds ``[rows]``.

    `score` is the log odds of the span against no answer; `NONE` twice and -inf where the
    context has nothing to answer with. An answer is given where it is above `threshold`.
    """

    start: Integers
    end: Integers
    score: Scores
    threshold: float

    def __len__(self) -> int:
        return len(self.start)

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which rows are given an answer ``[rows]``."""
        return np.asarray((self.score > self.threshold) & (self.start != NONE))

    def texts(self, contexts: Sequence[str]) -> list[str]:
        """The answers, `NO_ANSWER` where none is given."""
        rows = zip(contexts, self.start.tolist(), self.end.tolist(), self.given.tolist(), strict=True)
        return [context[start:end] if given else NO_ANSWER for context, start, end, given in rows]

    def scores(self, contexts: Sequence[str], answers: Sequence[Sequence[tuple[str, int]]]) -> RowScores:
        """Each reported metric of every row, beside its right `answers`."""
        return score_texts(self.texts(contexts), answers)

    @property
    def chance(self) -> NDArray[np.float64]:
        """The odds as a chance that there is an answer ``[rows]``, 0 to 1; one half where none is as likely."""
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * self.score.astype(np.float64))))

    @property
    def certainty(self) -> NDArray[np.float64]:
        """How sure what is said of each row is ``[rows]``: the chance of an answer, or of none where none is given."""
        return np.where(self.given, self.chance, 1.0 - self.chance)


def score_texts(texts: Sequence[str], answers: Sequence[Sequence[tuple[str, int]]]) -> RowScores:
    """Each reported metric of spans for every row, from the texts that it is given as answers."""
    return score_answers(texts, [[text for text, _ in row] for row in answers], reported("span"))


def choose_threshold(found: FoundSpans, contexts: Sequence[str], answers: Sequence[Sequence[tuple[str, int]]]) -> float:
    """The log odds above which an answer is given, so that the mean token F1 of these rows is highest.

    -inf where every row has an answer: nothing then tells when to give none. Of equally good ones the
    nearest to 0 that lies midway between two rows, as the model's own odds are.
    """
    if all(answers):
        return -np.inf
    given = replace(found, threshold=-np.inf).scores(contexts, answers)["token_f1"]
    gain = given - score_texts([NO_ANSWER] * len(found), answers)["token_f1"]
    order = np.argsort(-found.score, kind="stable")
    scores = found.score[order].astype(np.float64)
    totals = np.concatenate([[0.0], np.cumsum(gain[order])])  # of giving the answers of the first k rows
    upper, lower = np.concatenate([[np.inf], scores]), np.concatenate([scores, [-np.inf]])
    possible = upper > lower  # equal odds are answered together or not at all
    best = np.flatnonzero(possible & (totals >= totals[possible].max() - 1e-9))
    between = np.array([_between(lower[k], upper[k]) for k in best], dtype=np.float32)
    return float(between[np.abs(between).argmin()])


def _between(lower: float, upper: float) -> float:
    """A threshold that `upper` is above and `lower` is not."""
    if lower <= 0 < upper:
        return 0.0
    if np.isinf(upper):
        return lower
    return upper - 1.0 if np.isinf(lower) else (lower + upper) / 2


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """A span without white space at its ends, and with the marks that combine with its last letter.

    Tokenizers count a blank to the token behind it, or drop marks with the accents of a text.
    """
    while end < len(context) and unicodedata.combining(context[end]):
        end += 1
    end = start + len(context[start:end].rstrip())
    return end - len(context[start:end].lstrip()), end
