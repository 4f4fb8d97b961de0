from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.batches import budget_batches


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("most", [None, 1, 5])
def test_batches_cover_every_item_once_within_the_budget(seed, most):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 300, rng.integers(1, 400))
    batches = budget_batches(sizes, budget=256, most=most)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    for batch in batches:
        assert batch.dtype == np.int64 and (most is None or len(batch) <= most)
        assert len(batch) == 1 or len(batch) * sizes[batch].max() <= 256


def test_the_longest_items_come_first_and_equal_ones_keep_their_order():
    sizes = [3, 9, 3, 9, 1]
    assert np.concatenate(budget_batches(sizes, budget=18)).tolist() == [1, 3, 0, 2, 4]


def test_an_item_over_the_budget_stands_alone():
    assert [batch.tolist() for batch in budget_batches([5, 100, 4], budget=10)] == [[1], [0, 2]]


def test_no_batch_could_have_taken_its_next_item():
    sizes = np.random.default_rng(0).integers(1, 50, 500)
    batches = budget_batches(sizes, budget=200)
    assert all((len(batch) + 1) * sizes[batch].max() > 200 for batch in batches[:-1])


def test_nothing_gives_no_batches():
    assert budget_batches([], budget=1) == []


@pytest.mark.parametrize(("sizes", "budget", "most"), [([1], 0, None), ([1], 1, 0), ([-1], 1, None)])
def test_senseless_limits_are_refused(sizes, budget, most):
    with pytest.raises(ValueError, match="at least 1"):
        budget_batches(sizes, budget=budget, most=most)


def padding(sizes, batches):
    """The share of computed positions that hold nothing."""
    computed = sum(len(batch) * sizes[batch].max() for batch in batches)
    return 1 - sizes.sum() / computed


def test_sorted_batches_pad_far_less_than_random_ones():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 512, 2000)
    random = np.split(rng.permutation(2000), 125)
    assert padding(sizes, budget_batches(sizes, budget=8192)) < 0.1 < 0.4 < padding(sizes, random)
