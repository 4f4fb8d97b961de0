"""An encoder small enough to train in a blink, and the means to compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import medplug
from medplug.core import run as running
from medplug.core.backbone import Backbone, Inputs
from medplug.core.features import Features
from medplug.core.model import Model
from medplug.core.training.compute import Compute
from medplug.core.training.job import Adapters, Job
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


class Begun(NamedTuple):
    """What a run hands to its training."""

    model: Model
    adapters: Adapters
    job: Job


@pytest.fixture(scope="session")
def patients() -> pl.DataFrame:
    """Sixty patients, some of whom have a note, some values, some a recording; notes repeat."""
    draw = np.random.default_rng(0)
    rows = []
    for number in range(60):
        ill = number % 2
        row: dict[str, Any] = {
            "note": f"patient has {'fever' if ill else 'pain'} {draw.integers(1, 5)}",
            "age": float(draw.normal(50 + 10 * ill, 8)),
            "sex": str(draw.choice(["f", "m"])),
            "ecg": [float(x) for x in draw.normal(ill, 1, 24)],
        }
        lost = (("note",), ("age", "sex"), ("ecg",), ())[number // 2 % 4]
        rows.append({**row, **dict.fromkeys(lost), "label": "ill" if ill else "well"})
    return pl.DataFrame(rows)


@pytest.fixture
def joint_keys(tiny_bert: Path, patients: pl.DataFrame) -> Callable[..., dict[str, Any]]:
    """The keys of a small run of notes and values, and of recordings with `signal`."""

    def make(signal: bool = False, **keys: Any) -> dict[str, Any]:
        own = {"text": str(tiny_bert), "tabular": {"hidden": 8, "blocks": 1}}
        backbone = {**own, **({"signal": {"width": 16}} if signal else {}), **keys.pop("backbone", {})}
        kept = patients if signal else patients.filter(pl.col("note").is_not_null() | pl.col("age").is_not_null())
        columns: dict[str, Any] = {"text": "note", "tabular": ["age", "sex"], **({"signal": "ecg"} if signal else {})}
        data = {"train": kept, **columns, **keys.pop("data", {})}
        train = {"epochs": 2, "batch_size": 16, **keys.pop("train", {})}
        shared: dict[str, Any] = {"task": "multimodal_diagnosis", "device": "cpu", "report": {"resamples": 100}}
        return {**shared, "data": data, "backbone": backbone, "train": train, **keys}

    return make


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Begun]:
    """Begin a run of these keys and stop before it trains; gives what would be trained."""

    class Stop(Exception):
        """Far enough."""

    def make(keys: dict[str, Any]) -> Begun:
        found: list[Begun] = []

        def stop(build: Callable[[], Any], job: Any) -> None:
            found.append(Begun(*build(), job))
            raise Stop

        with monkeypatch.context() as patch, pytest.raises(Stop):
            patch.setattr(running, "train_members", stop)
            medplug.run(output=tmp_path / "begun", **keys)
        model, adapters, job = found[0]
        for _, adapter in adapters:
            adapter.prepare(model)
        quiet = replace(job, stage=lambda name: lambda done, total: None, checkpoints=tmp_path / "features")
        return Begun(model, adapters, quiet)

    return make
