"""A small world to screen in: entities are numbers, and a model of two encoders and a fusion scores pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.nn import functional

from medplug.core.backbone import Backbone, Inputs
from medplug.core.config import RunConfig
from medplug.core.data import cells
from medplug.core.data.problems import Problems
from medplug.core.data.targets import Target
from medplug.core.discovery.plugins import Plugins
from medplug.core.features import Features
from medplug.core.joint.build import join
from medplug.core.model import Model
from medplug.core.predictor import Predictor
from medplug.core.screening.sides import Format, Screened, Side
from medplug.core.specs import resolve
from medplug.core.training.compute import compute_for

WIDTHS = {"many": 6, "few": 4}


class Item:
    """A prepared number, one token for each of its digits; how many are alive, at most, is counted."""

    alive, most = 0, 0

    def __init__(self, value: str) -> None:
        self.tokens = np.array([[float(value), float(digit == "1")] for digit in value], np.float32)
        Item.alive += 1
        Item.most = max(Item.most, Item.alive)

    def __del__(self) -> None:
        Item.alive -= 1


class Digits(Backbone):
    """Tokens of a number's digits, with dropout; counts what it prepares and encodes."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.embed = nn.Linear(2, width)
        self.prepared: list[str] = []
        self.encoded = 0

    @classmethod
    def create(cls, options: Any, source: Any) -> Self:
        return cls(*options)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        return cls(**assets)

    def assets(self) -> dict[str, Any]:
        return {"width": self.width, "dropout": self.dropout}

    def prepare(self, values: Sequence[str]) -> list[Item]:
        self.prepared += values
        return [Item(value) for value in values]

    def size(self, item: Item) -> int:
        return len(item.tokens)

    def collate(self, items: Sequence[Item]) -> Inputs:
        longest = max(len(item.tokens) for item in items)
        tokens, mask = np.zeros((len(items), longest, 2), np.float32), np.zeros((len(items), longest), np.bool_)
        for row, item in enumerate(items):
            tokens[row, : len(item.tokens)], mask[row, : len(item.tokens)] = item.tokens, True
        return {"tokens": torch.from_numpy(tokens), "mask": torch.from_numpy(mask)}

    def forward(self, inputs: Inputs) -> Features:
        mask = inputs["mask"]
        self.encoded += len(mask)
        tokens = functional.dropout(torch.tanh(self.embed(inputs["tokens"])), self.dropout, self.training)
        share = mask.unsqueeze(-1).float()
        return Features((tokens * share).sum(1) / share.sum(1), tokens, mask)


def read_numbers(frame: pl.DataFrame, column: str, problems: Problems) -> list[str | None]:
    """One text of a number a row."""
    written = cells.texts(frame[column], "data.number")
    values, _ = cells.parsed_numbers(written)
    cells.refuse(problems, values.is_null(), column, "it is no number")
    return written.set(values.is_null(), None).to_list()


def lines(path: Path, rows: int, key: str) -> Iterator[pl.DataFrame]:
    """A file of a number a line."""
    yield from pl.DataFrame({"line": path.read_text().split()}).iter_slices(rows)


MANY = Side("many", "data.number", "number", read_numbers, ("id", "name"), {".txt": Format(lines, "line", ())})
FEW = Side("few", "data.other", "other", read_numbers)


@dataclass
class Pairs:
    """As much of a task as a screening asks for."""

    sides: Screened | None = Screened(MANY, FEW)

    def screening(self) -> Screened | None:
        return self.sides


Make = Callable[..., Predictor]


@pytest.fixture
def make() -> Make:
    """A function that makes a predictor with random weights of a seed."""
    return predictor


def predictor(
    fusion: str = "lowrank", seed: int = 0, dropout: float = 0.3, target: Target | None = None, task: Any = None
) -> Predictor:
    spec = Plugins(found=()).fusion(fusion)
    target = target or Target("regression", ("pKd",), 6.0, 2.0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = {slot: Digits(width, dropout) for slot, width in WIDTHS.items()}
        joint = join(parts, spec, resolve(spec.config, owner=fusion)(), target.outputs)
        for parameter in joint.fusion.parameters():  # zeros at the start would hide what they multiply
            nn.init.normal_(parameter, std=0.5)
        model = Model(joint, target)
    compute = compute_for(RunConfig(device="cpu"), alone=True)
    return Predictor("pairs", task or Pairs(), model.eval(), target, compute)


def library(rows: int, seed: int = 0) -> pl.DataFrame:
    """So many numbers of different length, some of them twice, with ids."""
    draw = np.random.default_rng(seed)
    numbers = [f"{draw.normal():.{draw.integers(1, 6)}f}" for _ in range(rows)]
    numbers[rows // 2] = numbers[0]
    return pl.DataFrame({"id": [f"M{i}" for i in range(1, rows + 1)], "number": numbers})


@pytest.fixture
def numbers() -> pl.DataFrame:
    """Sixty of them."""
    return library(60)


@pytest.fixture
def few() -> pl.DataFrame:
    """Three others, two of them equal."""
    return pl.DataFrame({"name": ["a", "b", "c"], "other": ["0.5", "-1.25", "0.5"]})
