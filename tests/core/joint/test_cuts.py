"""Rows that share entities are cut into batches that count each entity once."""

from __future__ import annotations

import numpy as np
import pytest

from medplug.core.joint.cuts import Shared, shared_batches


def pairs(rows: int, drugs: int, proteins: int, seed: int = 0) -> tuple[Shared, Shared]:
    draw = np.random.default_rng(seed)
    drug = Shared(draw.integers(0, drugs, rows), draw.integers(1, 6, drugs))
    protein = Shared(draw.integers(0, proteins, rows), draw.integers(20, 80, proteins))
    return drug, protein


def cost(batch: np.ndarray, slots: tuple[Shared, ...]) -> int:
    total = 0
    for slot in slots:
        items = np.unique(slot.codes[batch])
        items = items[items >= 0]
        total += len(items) * int(slot.costs[items].max(initial=0))
    return total


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_row_stands_in_one_batch(seed: int, by_row: bool) -> None:
    batches = shared_batches(pairs(200, 9, 12, seed), budget=300, by_row=by_row)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))


def test_no_batch_costs_more_than_the_budget_unless_it_is_one_row() -> None:
    slots = pairs(300, 9, 30)
    for batch in shared_batches(slots, budget=150, by_row=False):
        assert cost(batch, slots) <= 150 or len(batch) == 1
    alone = shared_batches(slots, budget=1, by_row=False)
    assert all(cost(batch, slots) > 1 and len(batch) == 1 for batch in alone)


def test_a_shared_protein_is_encoded_about_once() -> None:
    drug, protein = pairs(500, 9, 12)
    batches = shared_batches((drug, protein), budget=400, by_row=False)
    encoded = sum(len(np.unique(protein.codes[batch])) for batch in batches)
    assert encoded <= 12 + len(batches)  # one is cut in two where a batch ends


def test_the_slot_that_saves_more_is_kept_together() -> None:
    cheap = Shared(np.arange(60) % 3, np.array([1, 1, 1]))
    dear = Shared(np.arange(60) % 4, np.array([90, 90, 90, 90]))
    for slots in ((cheap, dear), (dear, cheap)):
        batches = shared_batches(slots, budget=100, by_row=False)
        assert [len(np.unique(dear.codes[batch])) for batch in batches] == [1, 1, 1, 1]


def test_rows_that_share_nothing_are_cut_by_what_they_cost() -> None:
    sizes = np.array([5, 1, 9, 2, 9])
    (batches,) = [shared_batches([Shared(np.arange(5), sizes)], budget=18, by_row=False)]
    assert [batch.tolist() for batch in batches] == [[2, 4], [0, 3, 1]]


def test_a_fusion_of_tokens_pays_for_every_row() -> None:
    slots = pairs(100, 4, 4)
    whole = sum(slot.by_row for slot in slots)
    for batch in shared_batches(slots, budget=400, by_row=True):
        assert len(batch) * whole[batch].max() <= 400


def test_a_row_without_an_item_costs_nothing_there() -> None:
    slots = (Shared(np.array([0, -1, 0]), np.array([7])), Shared(np.array([-1, 0, 0]), np.array([3])))
    assert sum(slot.by_row for slot in slots).tolist() == [7, 3, 10]
    assert len(shared_batches(slots, budget=10, by_row=False)) == 1


def test_no_rows_make_no_batch_and_no_budget_is_refused() -> None:
    nothing = Shared(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert shared_batches([nothing], budget=5, by_row=False) == []
    with pytest.raises(ValueError, match="at least 1"):
        shared_batches(pairs(5, 1, 1), budget=0, by_row=False)
