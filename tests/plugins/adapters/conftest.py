"""Two sites that write differently of the same diagnoses, batches of known features, and data to fit heads on."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import medplug
from medplug.core.adapter import Batch, FitData
from medplug.core.data.targets import Target
from medplug.core.model import Model, Outputs
from medplug.core.training.vectors import Vectors

SIGNS = {"lung": "cough", "bone": "fracture", "skin": "rash"}
WORDS = {"A": ["the", "patient", "has"], "B": ["mild", "severe", "acute", "pain"]}
TARGETS = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
}


@pytest.fixture(autouse=True)
def _threads(one_thread: None) -> None:
    """Every test here computes on one thread."""


def notes(rows: int, site: str, seed: int, classes: int = 3) -> pl.DataFrame:
    draw, names = random.Random(seed), list(SIGNS)[:classes]
    texts = [
        f"{' '.join(draw.choices(WORDS[site], k=draw.randint(1, 8)))} {SIGNS[names[i % classes]]} {draw.randint(1, 99)}"
        for i in range(rows)
    ]
    return pl.DataFrame({"text": texts, "label": [names[i % classes] for i in range(rows)]})


@pytest.fixture(scope="session")
def tables() -> Callable[..., dict[str, pl.DataFrame]]:
    """``tables(few=True)``: a source, target rows with few labels or with none, and a test table."""

    def make(*, few: bool = False, classes: int = 3) -> dict[str, pl.DataFrame]:
        source, target = notes(48, "A", 0, classes), notes(24, "B", 1, classes)
        beside = {"train": target} if few else {"unlabelled": target.drop("label")}
        return {"source": source, **beside, "test": notes(15, "B", 2, classes)}

    return make


@pytest.fixture(scope="session")
def go(tiny_bert: Path, tables: Any) -> Callable[..., Any]:
    """Run text diagnosis on the tiny BERT and the two sites."""

    def run(output: Path, adapter: str, data: Any = None, **keys: Any) -> Any:
        keys = {"backbone": f"{tiny_bert}", "device": "cpu", "report": {"resamples": 100}, **keys}
        keys["train"] = {"epochs": 1, "learning_rate": 0.01, "batch_size": 16, **keys.get("train", {})}
        return medplug.run(
            task="text_diagnosis", adapter=adapter, data=tables() if data is None else data, output=output, **keys
        )

    return run


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """A target of each kind."""
    return TARGETS[request.param]


def some_labels(target: Target, rows: int, seed: int = 1) -> NDArray[np.int64]:
    draw = np.random.default_rng(seed)
    if target.kind == "multilabel":
        return draw.integers(0, 2, (rows, len(target.classes)))
    return draw.permutation(np.arange(rows) % len(target.classes))


@pytest.fixture
def labels_of() -> Callable[..., NDArray[np.int64]]:
    """Some labels of a target."""
    return some_labels


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """A batch of `sources` rows and others, all labelled; features are leaves that the logits depend on."""

    def make(target: Target, sources: int, others: int, **given: Any) -> Batch:
        draw = torch.Generator().manual_seed(0)
        rows = sources + others
        features = given.pop("features", None)
        if features is None:
            features = torch.randn(rows, 5, generator=draw)
        features = features.clone().requires_grad_()
        head = torch.randn(5, target.outputs, generator=draw)
        labels = torch.from_numpy(some_labels(target, rows))
        facts = {"labels": labels, "reference": {}, "progress": 1.0, **given}
        return Batch(Outputs(features, features @ head), sources=sources, target=target, **facts)

    return make


@pytest.fixture
def model_of() -> Callable[[Target], Model]:
    """A head on five features, with weights from seed 0."""

    def make(target: Target) -> Model:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Model(Vectors(5), target)

    return make


@pytest.fixture
def fit_data() -> Callable[..., FitData]:
    """Sixty training rows and thirty of validation, whose labels lie in their features with noise."""

    def make(target: Target, *, rows: int = 60, noise: float = 0.5, seed: int = 0, **given: Any) -> FitData:
        draw = np.random.default_rng(seed)
        features = draw.normal(size=(rows + 30, 6)) * [1, 2, 0.5, 1, 3, 1]
        scores = features[:, : len(target.classes)] / [1, 2, 0.5][: len(target.classes)]
        scores = scores + noise * draw.normal(size=scores.shape)
        labels = (scores > 0).astype(np.int64) if target.kind == "multilabel" else scores.argmax(1)
        features = features.astype(np.float32)
        facts: dict[str, Any] = {"metric": "accuracy", "weightings": {"none": None}, "seed": 0, **given}
        return FitData(features[:rows], labels[:rows], features[rows:], labels[rows:], target, **facts)

    return make


@pytest.fixture
def option() -> Callable[..., Any]:
    """Options as an adapter reads them."""
    return SimpleNamespace


def gradient(value: Tensor, batch: Batch) -> Tensor:
    """The gradient of a penalty by the batch's features, zero where it does not depend on them."""
    if not value.requires_grad:
        return torch.zeros_like(batch.outputs.features)
    (found,) = torch.autograd.grad(value, batch.outputs.features)
    return found


@pytest.fixture
def gradient_of() -> Callable[[Tensor, Batch], Tensor]:
    """The gradient of a penalty by the batch's features."""
    return gradient
