"""Features that are known already, in place of the backbone that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.model import Model


class Vectors(Backbone):
    """Hands feature vectors on as they are: what stands behind a frozen backbone trains on these."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        """A stand-in of ``options`` features; it has no weights."""
        return cls(int(options))

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """The same again."""
        return cls(**assets)

    def assets(self) -> dict[str, Any]:
        """The number of features."""
        return {"width": self.width}

    def prepare(self, values: Sequence[Any]) -> list[Any]:
        """Vectors are ready."""
        return list(values)

    def size(self, item: Any) -> int:
        """Every vector costs the same."""
        return 1

    def collate(self, items: Sequence[Any]) -> Inputs:
        """Stack vectors ``[batch, width]``."""
        return {"vectors": torch.from_numpy(np.stack(items))}

    def forward(self, inputs: Inputs) -> Features:
        """The vectors, each also as its only token."""
        vectors = inputs["vectors"]
        return Features(vectors, vectors[:, None], torch.ones(len(vectors), 1, dtype=torch.bool, device=vectors.device))


def behind(model: Model, target: Target) -> Model:
    """The neck and the head of `model`, themselves, on its backbone's features."""
    tail = Model(Vectors(model.backbone.width), target).to(model.head.weight.device)
    tail.neck, tail.head = model.neck, model.head
    return tail
