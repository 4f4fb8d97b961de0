"""How far a score can be trusted: the spread of it over thinned networks, and over the models of an ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.data.batches import Positions
from medplug.core.data.entities import distinct
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

    def spread(self, kept: Sequence[Sequence[Any]], others: Sequence[Any]) -> list[NDArray[np.float64]] | None:
        """The standard deviations of what is `kept` for each of the `others` ``[kept]``, over all draws of all models.

        Each is of the scores against that one other. None where the draws of each model are all
        alike, as nothing that it learned with dropout bears on a score.
        """
        found = [self._samples(member, kept, others) for member in range(len(self.scorers))]
        if not any(np.ptp(each, axis=0).any() for samples in found for each in samples):
            return None
        return [np.std(np.concatenate(each), axis=0) for each in zip(*found, strict=True)]

    def _samples(self, member: int, kept: Sequence[Sequence[Any]], others: Sequence[Any]) -> list[NDArray[np.float64]]:
        """The scores of one model's draws for each other ``[draws, kept]``."""
        scorer = self.scorers[member]
        draws = [_Draw(scorer, (self.seed, member, number)) for number in range(self.number)]
        prepared = scorer.part(scorer.against).prepare(others)
        facing = [draw.each(prepared) for draw in draws]
        once, at = distinct([value for values in kept for value in values])
        items = scorer.part(scorer.library).prepare(once)
        places = np.split(at, np.cumsum([len(values) for values in kept])[:-1])
        scores = [np.empty((self.number, len(values))) for values in kept]
        for batch in scorer.batches(scorer.library, items):
            meant = [_meeting(batch, each) for each in places]
            for number, features in enumerate(_of_draws(scorer, draws, [items[i] for i in batch])):
                for found, other, (rows, columns) in zip(scores, facing[number], meant, strict=True):
                    if len(rows):
                        found[number, columns] = draws[number].scores(_rows(features, rows), other)
        return scores


def _meeting(batch: Positions, places: Positions) -> tuple[Tensor, Positions]:
    """The rows of a batch that are among `places`, and where these stand there."""
    row = {int(value): i for i, value in enumerate(batch)}
    columns = np.array([i for i, place in enumerate(places.tolist()) if place in row], dtype=np.int64)
    return torch.tensor([row[place] for place in places[columns].tolist()], dtype=torch.long), columns


def _rows(features: Features, rows: Tensor) -> Features:
    at = rows.to(features.pooled.device)
    return Features(features.pooled[at], features.tokens[at], features.mask[at])


class _Draw:
    """One thinned network: its masks for the backbones and for what joins them."""

    def __init__(self, scorer: Scorer, seed: tuple[int, ...]) -> None:
        self._scorer = scorer
        self._thin = {place: Thinned(*seed, place) for place in (_LIBRARY, _AGAINST, _BEHIND)}

    def each(self, items: Sequence[Any]) -> list[Features]:
        """The features of each that is scored against."""
        return self._scorer.each(self._scorer.against, items, self._thin[_AGAINST])

    def features(self, items: Sequence[Any]) -> Features:
        """The features of a batch of the library."""
        return self._scorer.features(self._scorer.library, items, self._thin[_LIBRARY])

    def scores(self, entities: Features, other: Features) -> NDArray[np.float64]:
        """The scores of a batch."""
        return self._scorer.scores(entities, other, self._thin[_BEHIND])


def _of_draws(scorer: Scorer, draws: Sequence[_Draw], items: Sequence[Any]) -> Iterator[Features]:
    """A batch's features in each draw; made once where the backbone stands still."""
    if scorer.moves(scorer.library):
        yield from (draw.features(items) for draw in draws)
        return
    features = scorer.features(scorer.library, items)
    yield from (features for _ in draws)
