"""Features that are known already, in place of the backbone that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.model import Model

Vector = NDArray[np.float32]


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


class Encodings(Vectors):
    """The same for token features: an item is a row's pooled vector ``[width]`` and its tokens ``[tokens, width]``."""

    def size(self, item: tuple[Vector, Vector]) -> int:
        """Its tokens."""
        return len(item[1])

    def collate(self, items: Sequence[tuple[Vector, Vector]]) -> Inputs:
        """`vectors` ``[batch, width]``, and padded `tokens` ``[batch, most, width]`` with how many are real."""
        lengths = torch.tensor([len(tokens) for _, tokens in items])
        tokens = pad_sequence([torch.from_numpy(tokens) for _, tokens in items], batch_first=True)
        return {
            "vectors": torch.from_numpy(np.stack([pooled for pooled, _ in items])),
            "tokens": tokens,
            "lengths": lengths,
        }

    def forward(self, inputs: Inputs) -> Features:
        """What was encoded."""
        tokens = inputs["tokens"]
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return Features(inputs["vectors"], tokens, places < inputs["lengths"][:, None])


def behind(model: Model, target: Target, stand_in: Backbone) -> Model:
    """The neck and the heads of `model`, themselves, behind what stands in for its backbone."""
    tail = type(model)(stand_in, target).to(model.head.weight.device)
    tail.neck, tail.head, tail.others = model.neck, model.head, model.others
    return tail
