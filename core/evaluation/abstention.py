"""From which score on an answer is given: the threshold that validation rows set, and what it does on test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Certainty(NamedTuple):
    """How sure an answer is, higher being surer, and whether it was right."""

    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """An answer counts where its score is at least `score`; inf where no score was good enough.

    `answered` is the share of the validation rows with an answer then, and `right` the share of
    these that are right (NaN where none is answered), `asked` the share that was asked for.
    """

    score: float
    asked: float
    answered: float
    right: float

    def held(self, found: Sequence[Certainty]) -> dict[str, float | None]:
        """What the threshold does on other rows: the share with a sure `answer`, and the share of these that is right.

        None where no row, or no answer, is there to tell.
        """
        sure = [each.right for each in found if each.score >= self.score]
        return {
            "answered": len(sure) / len(found) if found else None,
            "right": sum(sure) / len(sure) if sure else None,
        }

    def as_json(self) -> dict[str, Any]:
        """As JSON data, None for what is not finite."""
        told = {"score": self.score, "asked": self.asked, "answered": self.answered, "right": self.right}
        return {name: value if np.isfinite(value) else None for name, value in told.items()}


def threshold(found: Sequence[Certainty], asked: float) -> Threshold:
    """The lowest score from which on at least the share `asked` of the answers is right.

    So the most answers are given that validation rows allow (selective prediction by risk control: Geifman and
    El-Yaniv, 2017, here with the observed risk and no bound on it). Answers of equal scores are taken together.
    """
    if not found:
        return Threshold(np.inf, asked, 0.0, np.nan)
    scores, right = np.array([each.score for each in found]), np.array([each.right for each in found], dtype=float)
    order = np.argsort(-scores, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_equal = np.append(scores[order][1:] != scores[order][:-1], True)
    enough = np.flatnonzero(last_of_equal & (share >= asked))
    if not len(enough):
        return Threshold(np.inf, asked, 0.0, np.nan)
    last = int(enough[-1])
    return Threshold(float(scores[order][last]), asked, (last + 1) / len(order), float(share[last]))
