"""Rows that share what is costly to encode are drawn together, and every row once an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.joint.cuts import Shared
from medplug.core.training.grouping import GroupedBatches, drawn_in_blocks, encoded

CODES = np.random.default_rng(0).integers(0, 20, 700)


@pytest.mark.parametrize("block", [1, 4, 16, 1000])
def test_every_row_is_drawn_once_an_epoch(block: int) -> None:
    order = drawn_in_blocks(CODES, block, np.random.default_rng(1))
    assert sorted(order.tolist()) == list(range(len(CODES)))


def test_rows_of_one_item_stand_in_blocks() -> None:
    order = drawn_in_blocks(CODES, 8, np.random.default_rng(1))
    changes = 1 + int((np.diff(CODES[order]) != 0).sum())
    blocks = sum(-(-count // 8) for count in np.bincount(CODES))
    assert changes <= blocks  # two blocks of one item may come to stand side by side
    assert blocks < 0.2 * len(CODES)


def test_blocks_of_one_row_are_a_random_order() -> None:
    order = drawn_in_blocks(CODES, 1, np.random.default_rng(1))
    changes = int((np.diff(CODES[order]) != 0).sum())
    assert changes > 0.9 * len(CODES)


def test_epochs_differ_and_an_epoch_is_always_the_same() -> None:
    batches = GroupedBatches(CODES, 16, 64, seed=3)
    first = list(batches)
    assert first == list(GroupedBatches(CODES, 16, 64, seed=3))
    batches.set_epoch(1)
    assert first != list(batches)
    assert len(first) == len(batches) == -(-700 // 64)


def test_processes_share_each_batch_and_keep_its_blocks() -> None:
    whole = list(GroupedBatches(CODES, 16, 64, seed=3))
    halves = [list(GroupedBatches(CODES, 16, 32, seed=3, rank=rank, world=2)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*halves, strict=True)] == whole


def test_a_process_never_stands_without_a_row() -> None:
    parts = [list(GroupedBatches(np.zeros(5, dtype=np.int64), 2, 2, seed=0, rank=rank, world=2)) for rank in (0, 1)]
    assert all(batch for part in parts for batch in part) and len(parts[0]) == len(parts[1])


def test_blocks_encode_an_item_less_often() -> None:
    slot = Shared(CODES, np.full(20, 10))
    draw = np.random.default_rng(0)
    alone = encoded(slot, draw.permutation(len(CODES)), 64)
    together = encoded(slot, drawn_in_blocks(CODES, 16, draw), 64)
    assert 200 <= together < alone / 2
    assert encoded(slot, np.argsort(CODES), len(CODES)) == 200  # one batch: each item once
