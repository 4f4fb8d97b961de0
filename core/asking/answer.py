"""What a run answers to one question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that an answer rests on: its id, the text, and its score (None where it was not ranked)."""

    id: str
    text: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question; `text` is None where the context has none.

    `score` is what the kind of target goes by (a probability, a similarity), `certain_from` the
    least score at which validation rows were right often enough (None: no run set it, inf: none
    was). `passages` are what the answer rests on, the best first, `shares` the probability of each class.
    """

    text: str | None
    score: float
    certain_from: float | None
    passages: tuple[Passage, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def sure(self) -> bool:
        """Whether the score reaches what validation rows asked for."""
        return self.certain_from is None or self.score >= self.certain_from
