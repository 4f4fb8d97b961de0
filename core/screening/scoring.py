"""A joint model of two slots taken apart: entities are encoded once, and only what joins them runs for each pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from medplug.core.backbone import Backbone
from medplug.core.data.targets import Target
from medplug.core.ensemble import Ensemble
from medplug.core.features import Features
from medplug.core.joint.backbone import JointBackbone
from medplug.core.model import Model
from medplug.core.screening.thinned import Thinned
from medplug.core.training.compute import Compute, to_device

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

Positions = NDArray[np.int64]


class Scorer:
    """Scores every pair of a library's entities and of the few `against` which they are scored.

    A score is the positive class's probability or, of a number, the prediction in
    the label's unit. Where a draw of dropout (`thin`) is given, it computes as that thinned
    network does; a backbone of which nothing is trained stands still in every draw, as its
    dropout was never trained with.
    """

    def __init__(self, model: Model, target: Target, compute: Compute, slots: tuple[str, str]) -> None:
        assert isinstance(model.backbone, JointBackbone)
        self._model, self._compute, self._target = model.eval(), compute, target
        self._joint = model.backbone
        self.library, self.against = slots

    def part(self, slot: str) -> Backbone:
        """The backbone of a slot."""
        return self._joint.part(slot)

    def moves(self, slot: str) -> bool:
        """Whether draws of dropout change what the slot's backbone gives."""
        return any(parameter.requires_grad for parameter in self.part(slot).parameters())

    def batches(self, slot: str, items: Sequence[Any]) -> list[Positions]:
        """The positions of prepared items in batches that can be encoded at once."""
        return self.part(slot).batches(items, self._compute.tokens)

    def features(self, slot: str, items: Sequence[Any], thin: Thinned | None = None) -> Features:
        """The features of one batch of prepared items; its tokens are the pooled ones where no others are read."""
        part = self.part(slot)
        inputs = to_device(part.collate(items), self._compute.device)
        with self._computing(thin if self.moves(slot) else None):
            found: Features = part(inputs)
        if self._joint.reads_tokens:
            return found
        there = torch.ones(len(found.pooled), 1, dtype=torch.bool, device=found.pooled.device)
        return Features(found.pooled, found.pooled[:, None], there)

    def each(self, slot: str, items: Sequence[Any], thin: Thinned | None = None) -> list[Features]:
        """The features of each item by itself, padding taken off: ``[1, width]`` and ``[1, tokens, width]``."""
        found: dict[int, Features] = {}
        for batch in self.batches(slot, items):
            together = self.features(slot, [items[i] for i in batch], thin)
            found |= {int(i): _alone(together, place) for place, i in enumerate(batch)}
        return [found[i] for i in range(len(items))]

    def scores(self, entities: Features, other: Features, thin: Thinned | None = None) -> NDArray[np.float64]:
        """The scores ``[entities]`` of a batch against one other, which has no batch beside it."""
        parts = [self._logits(some, other, thin) for some in self._cut(entities, other)]
        return self._target.probabilities(torch.cat(parts).float().cpu().numpy())[:, -1]

    def _logits(self, entities: Features, other: Features, thin: Thinned | None) -> torch.Tensor:
        rows = len(entities.pooled)
        facing = Features(*(each.expand(rows, *each.shape[1:]) for each in (other.pooled, other.tokens, other.mask)))
        with self._computing(thin):
            fused = self._joint.joined({self.library: entities, self.against: facing})
            return self._model.joined(fused.joined).logits

    def _cut(self, entities: Features, other: Features) -> Iterator[Features]:
        """A batch in pieces whose pairs have no more tokens than can be computed at once."""
        tokens = entities.mask.shape[1] + other.mask.shape[1] if self._joint.reads_tokens else 1
        rows = max(1, self._compute.tokens // tokens)
        for start in range(0, len(entities.pooled), rows):
            piece = slice(start, start + rows)
            yield Features(entities.pooled[piece], entities.tokens[piece], entities.mask[piece])

    @contextmanager
    def _computing(self, thin: Thinned | None) -> Iterator[None]:
        with torch.inference_mode(), self._compute.autocast(), nullcontext() if thin is None else thin:
            yield


def scorers_of(predictor: Predictor, slots: tuple[str, str]) -> list[Scorer]:
    """The scorers of a predictor: of an ensemble one a member, which all prepare entities alike."""
    model = predictor.model
    models = model.each if isinstance(model, Ensemble) else [model]
    return [Scorer(each, predictor.target, predictor.compute, slots) for each in models]


def _alone(features: Features, place: int) -> Features:
    real = features.mask[place]
    return Features(
        features.pooled[place : place + 1],
        features.tokens[place : place + 1, real],
        features.mask[place : place + 1, real],
    )
