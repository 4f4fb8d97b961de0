"""An encoder whose vectors can be worked out by hand, and a finished run that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.predictor import Predictor
from medplug.core.retrieval.model import RankingModel
from medplug.core.training.compute import Compute
from medplug.core.training.processes import Processes


class Counts(Backbone):
    """How often a text has each letter, weighed by `weight`; the texts given to `prepare` are kept."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.width, self.prepared = 26, list[str]()
        self.weight = nn.Parameter(torch.full((26,), scale))

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls()

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls()

    def assets(self) -> dict[str, Any]:
        return {}

    def prepare(self, values: Sequence[str]) -> list[Any]:
        self.prepared += values
        return [counts(text) for text in values]

    def size(self, item: Any) -> int:
        return int(item.sum())

    def collate(self, items: Sequence[Any]) -> Inputs:
        return {"counts": torch.from_numpy(np.stack(items)).float()}

    def forward(self, inputs: Inputs) -> Features:
        pooled = inputs["counts"] * self.weight
        return Features(pooled, pooled.unsqueeze(1), torch.ones(len(pooled), 1, dtype=torch.bool))


def counts(text: str) -> Any:
    """How often each letter is there ``[26]``."""
    return np.array([text.lower().count(chr(97 + i)) for i in range(26)])


@pytest.fixture
def cosines() -> Callable[[Sequence[str], Sequence[str]], Any]:
    """Cosines ``[questions, passages]`` of the encoder's vectors, in float64."""

    def of(questions: Sequence[str], passages: Sequence[str]) -> Any:
        sides = [np.stack([counts(text) for text in texts]).astype(np.float64) for texts in (questions, passages)]
        a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in sides)
        return a @ b.T

    return of


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Predictor]:
    """A predictor of a run in a folder, whose encoder counts letters."""

    def make(name: str = "run", scale: float = 1.0, **options: Any) -> Predictor:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        target = Target("ranking", ("passage",))
        told = SimpleNamespace(**{"depth": 20, "reranker": None, "rerank": 5, **options})
        task: Any = SimpleNamespace(options=told, data=SimpleNamespace(passage="passage", passage_id=None))
        compute = Compute(torch.device("cpu"), None, 64, Processes(cpu=True, alone=True))
        return Predictor("answers", task, RankingModel(Counts(scale), target), target, compute, folder=folder)

    return make
