"""An encoder small enough to train in a blink, and the means to compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.training.compute import Compute
from medplug.core.training.processes import Processes


@pytest.fixture(autouse=True)
def _threads(one_thread: None) -> None:
    """Every test here computes on one thread."""


class Letters(Backbone):
    """A mean of letter embeddings, with dropout; the texts given to `prepare` are counted."""

    def __init__(self, width: int = 6, dropout: float = 0.0) -> None:
        super().__init__()
        self.width, self.prepared = width, list[str]()
        self.embedding = nn.Embedding(128, width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls()

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls(**assets)

    def assets(self) -> dict[str, Any]:
        return {"width": self.width, "dropout": self.dropout.p}

    def prepare(self, values: Sequence[str]) -> list[Any]:
        self.prepared += values
        return [np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) for text in values]

    def size(self, item: Any) -> int:
        return len(item)

    def collate(self, items: Sequence[Any]) -> Inputs:
        ids = np.zeros((len(items), max(map(len, items))), dtype=np.int64)
        for row, item in enumerate(items):
            ids[row, : len(item)] = item
        return {"ids": torch.from_numpy(ids)}

    def forward(self, inputs: Inputs) -> Features:
        mask = inputs["ids"] > 0
        tokens = self.dropout(torch.tanh(self.mix(self.embedding(inputs["ids"]))))
        weight = mask.unsqueeze(-1).float()
        return Features((tokens * weight).sum(1) / weight.sum(1), tokens, mask)


@pytest.fixture
def letters() -> Callable[..., Letters]:
    """Make the encoder, with weights from `seed`."""

    def make(seed: int = 0, **shape: Any) -> Letters:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Letters(**shape)

    return make


@pytest.fixture
def on_cpu() -> Callable[..., Compute]:
    """Means to compute on the CPU, at most `tokens` at once."""

    def make(tokens: int = 4096, dtype: torch.dtype | None = None) -> Compute:
        return Compute(torch.device("cpu"), dtype, tokens, Processes(cpu=True))

    return make


@pytest.fixture
def texts() -> list[str]:
    """Forty-eight texts of one to thirty letters."""
    draw = np.random.default_rng(0)
    return ["".join(map(chr, draw.integers(97, 123, size))) for size in draw.integers(1, 31, 48)]
