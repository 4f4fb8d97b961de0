"""What ``train.block`` and ``train.least_updates`` make of a run: batches that share inputs, and enough passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import medplug
from medplug.core.config import TrainConfig
from medplug.core.training import gradient
from medplug.core.training.arguments import training_arguments
from medplug.core.training.compute import Compute
from medplug.core.training.grouping import BLOCK, GroupedBatches

ROWS, NOTES = 96, 6


def keys(**train: Any) -> dict[str, Any]:
    """A small run of long notes that many rows share, beside values of their own."""
    draw = np.random.default_rng(0)
    notes = [" ".join(draw.choice(["fever", "cough", "pain", "rash", "mild"], 12)) for _ in range(NOTES)]
    which, ages = draw.integers(0, NOTES, ROWS), draw.normal(50, 8, ROWS)
    rows = {"note": [notes[i] for i in which], "age": ages, "label": np.where(ages + which > 52, "ill", "well")}
    return {
        **{"task": "multimodal_diagnosis", "device": "cpu", "report": {"resamples": 100}, "fusion": "concat"},
        "data": {"train": pl.DataFrame(rows), "text": "note", "tabular": ["age"]},
        "backbone": {
            "text": {"name": "text_cnn", "embedding": 4, "filters": 4},
            "tabular": {"hidden": 8, "blocks": 1},
        },
        "train": {"epochs": 3, "batch_size": 16, **train},
    }


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Begin a run and stop where it would train; gives what it would train by."""

    class Stop(Exception):
        """Far enough."""

    def make(**given: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def stop(*args: Any, **how: Any) -> None:
            found.update(how)
            raise Stop

        with monkeypatch.context() as patch, pytest.raises(Stop):
            patch.setattr(gradient, "train_by_gradient", stop)
            medplug.run(output=tmp_path / "begun", **given)
        return found

    return make


# ---- batches that share inputs


@pytest.mark.parametrize(("block", "taken"), [(4, 4), (None, BLOCK)])
def test_rows_that_share_a_costly_input_are_drawn_in_blocks(
    block: int | None, taken: int, handed: Callable[..., dict[str, Any]]
) -> None:
    batches = handed(**keys(**({} if block is None else {"block": block})))["batches"]
    assert isinstance(batches, GroupedBatches) and (batches.block, batches.size) == (taken, 16)
    assert len(np.unique(batches.codes)) == NOTES
    assert sorted(row for batch in batches for row in batch) == list(range(len(batches.codes)))


def test_with_a_block_of_one_every_row_is_drawn_by_itself(handed: Callable[..., dict[str, Any]]) -> None:
    assert handed(**keys(block=1))["batches"] is None


def test_the_report_tells_of_blocks_and_a_resumed_run_draws_the_same(tmp_path: Path) -> None:
    class Killed(Exception):
        """The run ends here."""

    def kill(progress: Any) -> None:
        if progress.stage == "epoch" and progress.facts["epoch"] == 2:
            raise Killed

    whole = medplug.run(output=tmp_path / "whole", **keys(block=4))
    assert "most rows of one input that a batch takes together" in (whole.folder / "report.html").read_text()
    with pytest.raises(Killed):
        medplug.run(output=tmp_path / "killed", progress=kill, **keys(block=4))
    resumed = medplug.run(output=tmp_path / "killed", resume=True, **keys(block=4))
    one, two = (each.predictor.model.state_dict() for each in (whole, resumed))
    assert one.keys() == two.keys() and all(torch.equal(two[name], weight) for name, weight in one.items())


# ---- enough updates


@pytest.mark.parametrize(
    ("rows", "accumulate", "epochs"),
    [(30_000, 1, 16), (4_000, 1, 16), (1_000, 1, 63), (1_000, 2, 125), (1_025, 2, 84), (10, 1, 250)],
)
def test_a_small_table_is_passed_over_until_there_are_enough_updates(
    rows: int, accumulate: int, epochs: int, on_cpu: Callable[..., Compute], tmp_path: Path
) -> None:
    config = TrainConfig(epochs=16, least_updates=250, batch_size=256, accumulate=accumulate)
    assert training_arguments(config, on_cpu(), tmp_path, 0, rows).num_train_epochs == epochs


@pytest.mark.parametrize(
    ("asked", "least"),
    [({"epochs": 3}, 1), ({"epochs": 3, "least_updates": 40}, 40), ({"least_updates": 40}, 40), ({}, 30)],
)
def test_passes_that_were_asked_for_are_not_made_more_by_a_recipe(
    asked: dict[str, int], least: int, handed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(
        "version: 1\nrecipes:\n  long:\n    summary: many updates\n    keys: { train.least_updates: 30 }\n"
    )
    given = keys()
    given["train"] = {"batch_size": 16, **asked}
    assert handed(**given, recipe="long", registry=registry)["config"].least_updates == least


def test_as_many_updates_are_made_as_were_planned(tmp_path: Path) -> None:
    done: list[int] = []

    def watch(progress: Any) -> None:
        if progress.stage == "training":
            done.append(progress.done)

    medplug.run(output=tmp_path / "run", progress=watch, **keys(least_updates=30, epochs=1, patience=50))
    assert 30 <= max(done) < 30 + ROWS / 16
