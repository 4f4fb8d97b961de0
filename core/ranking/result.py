"""A ranking as it is read: in Python, as JSON, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from medplug.core.ranking.support import Ranked

Row = tuple[str, ...]

GREATER_IS_BETTER = {"logme": True, "h_score": True, "leep": True, "nce": True, "a_distance": False, "mmd": False}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate: its scores by measure, and what the resamples say of the first of them.

    `ci95` is that score's 95 % interval; `mean_rank` (1 is best) and
    `first_share` are over the resamples.
    """

    name: str
    facts: Mapping[str, int]
    scores: Mapping[str, float]
    ci95: tuple[float, float]
    mean_rank: float
    first_share: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first by the measure `by`; `support` says in a sentence whether the data bear that out.

    `rows` of the target were scored on (in `groups` patients, where they are
    named); `notes` are what else a reader should know.
    """

    task: str
    ranked: Literal["backbones", "sources"]
    by: str
    rows: int
    groups: int | None
    candidates: Sequence[Candidate]
    support: str
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON data."""
        return asdict(self)

    def title(self) -> str:
        """What was ranked, by what, on how many rows."""
        patients = f" of {self.groups:,} groups" if self.groups is not None else ""
        return f"{self.task}: {self.ranked} by {self.by} on {self.rows:,} rows{patients}"

    def table(self) -> tuple[Row, list[Row]]:
        """Header and rows, best first."""
        first, *_ = self.candidates
        scores = [name for name in first.scores if name != self.by]
        arrow = {name: f"{name} ({'more' if GREATER_IS_BETTER[name] else 'less'} is better)" for name in first.scores}
        leads = "first in resamples"
        header = (self.ranked[:-1], arrow[self.by], leads, *(arrow[name] for name in scores), *first.facts)
        return header, [self._row(each, scores) for each in self.candidates]

    def _row(self, candidate: Candidate, others: Sequence[str]) -> Row:
        low, high = candidate.ci95
        score = f"{candidate.scores[self.by]:.4f} [{low:.4f}, {high:.4f}]"
        rest = [f"{candidate.scores[name]:.4f}" for name in others]
        facts = [str(fact) for fact in candidate.facts.values()]
        return (candidate.name, score, f"{int(100 * candidate.first_share + 1e-9)} %", *rest, *facts)


def candidates(
    ranked: Sequence[Ranked],
    scores: Mapping[str, Mapping[str, float]],
    facts: Mapping[str, Mapping[str, int]],
    *,
    sign: int = 1,
) -> tuple[Candidate, ...]:
    """The ranked ones with all their scores; `sign` is -1 where they were ranked by the negative of a score."""
    found = []
    for each in ranked:
        low, high = sorted((sign * each.low, sign * each.high))
        found.append(
            Candidate(each.name, facts[each.name], scores[each.name], (low, high), each.mean_rank, each.first_share)
        )
    return tuple(found)
