"""How far a score can be trusted: the spread of it over thinned networks, and over the models of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.features import Features
from medplug.core.screening.scoring import Scorer
from medplug.core.screening.thinned import Thinned

_LIBRARY, _AGAINST, _BEHIND = "library", "against", "behind"


@dataclass(frozen=True, slots=True)
class Draws:
    """The thinned networks of each model: `number` of them, drawn from `seed`."""

    scorers: Sequence[Scorer]
    number: int
    seed: int

    def spread(self, values: Sequence[Any], other: Any) -> NDArray[np.float64] | None:
        """The standard deviation of each value's score against one `other` ``[values]``, over all draws of all models.

        None where no model has dropout behind what it was given: its draws are all alike.
        """
        found = [each for member, scorer in enumerate(self.scorers) for each in self._samples(member, values, other)]
        if not any(changed for changed, _ in found):
            return None
        spread: NDArray[np.float64] = np.std([scores for _, scores in found], axis=0, ddof=1)
        return spread

    def _samples(self, member: int, values: Sequence[Any], other: Any) -> list[tuple[bool, NDArray[np.float64]]]:
        """For each draw of one model whether it left out anything, and its scores ``[values]``."""
        scorer = self.scorers[member]
        draws = [_Draw(scorer, (self.seed, member, number)) for number in range(self.number)]
        prepared = scorer.part(scorer.against).prepare([other])
        facing = [draw.each(prepared) for draw in draws]
        items = scorer.part(scorer.library).prepare(values)
        scores = np.empty((self.number, len(values)))
        for batch in scorer.batches(scorer.library, items):
            for number, features in enumerate(_of_draws(scorer, draws, [items[i] for i in batch])):
                scores[number, batch] = draws[number].scores(features, facing[number])
        return [(draw.changed, each) for draw, each in zip(draws, scores, strict=True)]


class _Draw:
    """One thinned network: its masks for the backbones and for what joins them."""

    def __init__(self, scorer: Scorer, seed: tuple[int, ...]) -> None:
        self._scorer = scorer
        self._thin = {place: Thinned(*seed, place) for place in (_LIBRARY, _AGAINST, _BEHIND)}

    def each(self, items: Sequence[Any]) -> Features:
        """The features of the one that is scored against."""
        return self._scorer.each(self._scorer.against, items, self._thin[_AGAINST])[0]

    def features(self, items: Sequence[Any]) -> Features:
        """The features of a batch of the library."""
        return self._scorer.features(self._scorer.library, items, self._thin[_LIBRARY])

    def scores(self, entities: Features, other: Features) -> NDArray[np.float64]:
        """The scores of a batch."""
        return self._scorer.scores(entities, other, self._thin[_BEHIND])

    @property
    def changed(self) -> bool:
        """Whether it left out anything."""
        return any(each.dropped for each in self._thin.values())


def _of_draws(scorer: Scorer, draws: Sequence[_Draw], items: Sequence[Any]) -> Iterator[Features]:
    """A batch's features in each draw; made once where the backbone stands still."""
    if scorer.moves(scorer.library):
        yield from (draw.features(items) for draw in draws)
        return
    features = scorer.features(scorer.library, items)
    yield from (features for _ in draws)
