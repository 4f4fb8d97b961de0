from __future__ import annotations

import numpy as np
import pytest

from medplug.core.errors import DataError, UsageError
from medplug.core.evaluation.resampling import bootstrap_weights


def drawn(rows, **options):
    return np.concatenate(list(bootstrap_weights(rows, **{"resamples": 40, "seed": 0} | options)))


def test_a_resample_draws_as_many_rows_as_there_are():
    weights = drawn(30)
    assert weights.shape == (40, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert (weights == np.round(weights)).all() and (weights >= 0).all()


def test_counts_have_the_mean_and_variance_of_a_multinomial():
    weights = drawn(50, resamples=4000)
    assert abs(weights.mean() - 1) < 1e-6
    assert np.allclose(weights.mean(axis=0), 1, atol=0.1)
    assert abs(weights.var() - (1 - 1 / 50)) < 0.02


def test_the_seed_alone_decides_what_is_drawn_and_not_the_chunk():
    once = drawn(25, seed=3)
    assert (once == drawn(25, seed=3, chunk=7)).all()
    assert (once != drawn(25, seed=4)).any()


def test_the_global_generator_is_neither_read_nor_moved():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    drawn(10)
    assert (np.random.get_state()[1] == before).all()


def test_chunks_add_up_and_stay_within_their_bound():
    sizes = [len(weights) for weights in bootstrap_weights(10, resamples=10, seed=0, chunk=4)]
    assert sizes == [4, 4, 2]
    large = next(bootstrap_weights(1_000_000, resamples=1000, seed=0))
    assert large.nbytes <= 32 * 2**20 and large.dtype == np.float32


def test_rows_of_a_group_are_drawn_together():
    groups = ["b", "a", "b", "c", "a", "b"]
    weights = drawn(6, groups=groups, resamples=200)
    assert (weights[:, [0]] == weights[:, [2, 5]]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()  # as many groups as there are
    assert len(np.unique(weights.sum(axis=1))) > 1  # so not always as many rows


def test_groups_of_one_row_are_rows():
    assert (drawn(12, groups=np.arange(12)) == drawn(12)).all()


def test_the_names_of_groups_do_not_matter():
    assert (drawn(6, groups=["b", "a", "b", "c", "a", "b"]) == drawn(6, groups=["1", "9", "1", "10", "9", "1"])).all()


@pytest.mark.parametrize(
    ("rows", "options", "error", "words"),
    [
        (0, {}, DataError, "no rows"),
        (3, {"groups": ["a", "b"]}, DataError, "2 groups for 3 rows"),
        (3, {"resamples": 0}, UsageError, "at least 1"),
    ],
)
def test_what_cannot_be_resampled_is_refused_at_the_call(rows, options, error, words):
    with pytest.raises(error, match=words):
        bootstrap_weights(rows, **{"resamples": 10, "seed": 0} | options)
