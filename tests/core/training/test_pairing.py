"""Which rows are drawn together: labelled ones, and unlabelled ones beside them."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from medplug.core.training.pairing import LEAST, PairedBatches

SHAPES = [(100, 60, 16), (100, 300, 16), (100, 5, 16), (10, 1000, 32), (7, 7, 1), (1000, 20, 32), (33, 1, 4)]
"""Labelled rows, unlabelled rows, labelled ones in a batch."""
every_shape = pytest.mark.parametrize(("labelled", "unlabelled", "size"), SHAPES)


def epoch_of(batches: PairedBatches, epoch: int = 0) -> list[list[int]]:
    batches.set_epoch(epoch)
    return list(batches)


def divided(drawn: list[list[int]], labelled: int) -> tuple[list[list[int]], list[list[int]]]:
    """The labelled rows of each batch, and its unlabelled ones."""
    first = [[row for row in batch if row < labelled] for batch in drawn]
    return first, [[row for row in batch if row >= labelled] for batch in drawn]


@every_shape
def test_every_labelled_row_comes_once_an_epoch(labelled: int, unlabelled: int, size: int) -> None:
    batches = PairedBatches(labelled, unlabelled, size, seed=0)
    for epoch in range(3):
        first, _ = divided(epoch_of(batches, epoch), labelled)
        assert sorted(itertools.chain(*first)) == list(range(labelled))
        assert len(first) == len(batches) == -(-labelled // size)
        assert all(len(rows) == size for rows in first[:-1]) and first[-1]


@every_shape
def test_no_unlabelled_row_comes_twice_before_each_came_once(labelled: int, unlabelled: int, size: int) -> None:
    _, beside = divided(epoch_of(PairedBatches(labelled, unlabelled, size, seed=0)), labelled)
    stream = list(itertools.chain(*beside))
    assert set(stream) <= set(range(labelled, labelled + unlabelled))
    for start in range(0, len(stream), unlabelled):
        among = stream[start : start + unlabelled]
        assert len(set(among)) == len(among)


@every_shape
def test_passes_tell_how_often_an_unlabelled_row_is_seen(labelled: int, unlabelled: int, size: int) -> None:
    batches = PairedBatches(labelled, unlabelled, size, seed=0)
    _, beside = divided(epoch_of(batches), labelled)
    counts = Counter(itertools.chain(*beside))
    assert batches.passes == pytest.approx(sum(counts.values()) / unlabelled)
    assert max(counts.values()) - min(counts[row] for row in range(labelled, labelled + unlabelled)) <= 1


@pytest.mark.parametrize(
    ("unlabelled", "beside"), [(50, 8), (100, 16), (75, 12), (200, 16), (10, LEAST), (5, 5), (1, 1)]
)
def test_unlabelled_rows_are_drawn_in_proportion_between_enough_and_as_many(unlabelled: int, beside: int) -> None:
    drawn = divided(epoch_of(PairedBatches(100, unlabelled, 16, seed=0)), 100)[1]
    assert {len(rows) for rows in drawn} == {beside}


def test_in_proportion_each_unlabelled_row_is_seen_about_once() -> None:
    assert PairedBatches(960, 480, 32, seed=0).passes == 1.0
    assert PairedBatches(960, 960, 32, seed=0).passes == 1.0
    assert PairedBatches(960, 1920, 32, seed=0).passes == 0.5
    assert PairedBatches(960, 8, 32, seed=0).passes == 30


def test_a_small_batch_is_not_outnumbered() -> None:
    _, beside = divided(epoch_of(PairedBatches(40, 400, 4, seed=0)), 40)
    assert {len(rows) for rows in beside} == {4}


def test_seed_and_epoch_alone_say_what_is_drawn() -> None:
    def drawn(seed: int, epoch: int) -> list[list[int]]:
        return epoch_of(PairedBatches(50, 30, 8, seed=seed), epoch)

    used = PairedBatches(50, 30, 8, seed=3)
    for epoch in range(3):  # what was drawn before does not matter
        assert epoch_of(used, epoch) == drawn(3, epoch)
    assert epoch_of(used, 1) == drawn(3, 1)
    different = [drawn(3, 0), drawn(3, 1), drawn(4, 0)]
    assert all(one != other for one, other in itertools.combinations(different, 2))
    assert drawn(3, 0)[0][:8] != sorted(drawn(3, 0)[0][:8])


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize(("labelled", "unlabelled"), [(96, 50), (100, 300), (97, 20), (5, 200), (30, 1)])
def test_processes_share_the_rows_and_go_on_equally_long(labelled: int, unlabelled: int, world: int) -> None:
    shares = [PairedBatches(labelled, unlabelled, 8, seed=0, rank=rank, world=world) for rank in range(world)]
    drawn = [divided(epoch_of(share), labelled) for share in shares]
    assert {len(share) for share in shares} == {len(first) for first, _ in drawn} == {-(-labelled // (8 * world))}
    taken = Counter(itertools.chain(*(rows for first, _ in drawn for rows in first)))
    assert set(taken) == set(range(labelled)) and taken.total() - labelled < world
    for step in zip(*(first for first, _ in drawn), strict=True):  # else their gradients would not count alike
        assert all(step) and max(map(len, step)) - min(map(len, step)) <= 1
    beside = Counter(itertools.chain(*(rows for _, rest in drawn for rows in rest)))
    assert all(len(rows) == shares[0].beside for _, rest in drawn for rows in rest)
    assert beside.total() / unlabelled == pytest.approx(shares[0].passes)
    assert max(beside.values()) - min(beside[labelled + row] for row in range(unlabelled)) <= 1


def test_a_last_batch_of_fewer_rows_than_processes_gives_each_one() -> None:
    shares = [divided(epoch_of(PairedBatches(17, 9, 4, seed=0, rank=rank, world=4)), 17)[0] for rank in range(4)]
    assert [len(rows) for _, rows in shares] == [1, 1, 1, 1]
    assert len({rows[0] for _, rows in shares}) == 1
