from __future__ import annotations

import numpy as np
import pytest
import torch

from medplug.core.errors import DataError, UsageError
from medplug.core.ranking.support import Ranked, rank_candidates, support
from medplug.core.transfer.transferability import logme


def means(values):
    return lambda index: values[index].mean(axis=0)


def normal(rows, *shifts, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, len(shifts))) + np.array(shifts)


def drawn(rows, groups=None, **options):
    seen = []

    def score(index):
        seen.append(index)
        return np.zeros(2)

    rank_candidates(["a", "b"], score, rows, **{"resamples": 30, "seed": 0, "groups": groups} | options)
    return seen


def test_a_resample_is_half_of_the_rows_in_order_and_none_twice():
    full, *halves = drawn(21)
    assert full.tolist() == list(range(21))
    assert len(halves) == 30 and all(len(half) == 11 and (np.diff(half) > 0).all() for half in halves)
    assert len({tuple(half) for half in halves}) > 25
    assert set(np.concatenate(halves)) == set(range(21))


def test_groups_are_drawn_whole_and_their_names_do_not_matter():
    groups = np.array(["x", "y", "z", "w"] * 5)
    _, *halves = drawn(20, groups)
    assert all(len(half) == 10 and len(set(groups[half])) == 2 for half in halves)
    renamed = np.array([{"x": 9, "y": 2, "z": 5, "w": 0}[group] for group in groups])
    assert all((a == b).all() for a, b in zip(drawn(20, groups), drawn(20, renamed), strict=True))


def test_the_seed_alone_decides():
    values = normal(40, 0.0, 0.1)
    first = rank_candidates(["a", "b"], means(values), 40, seed=1)
    np.random.seed(0)
    assert rank_candidates(["a", "b"], means(values), 40, seed=1) == first
    assert rank_candidates(["a", "b"], means(values), 40, seed=2) != first


@pytest.mark.parametrize("rows", [400, 401, 7])
def test_the_interval_of_a_mean_is_as_wide_as_theory_says(rows):
    values = normal(rows, 0.0)
    (ranked,) = rank_candidates(["a"], means(values), rows, resamples=4000, seed=0)
    wanted = 2 * 1.96 * values.std(ddof=1) / np.sqrt(rows)
    assert ranked.high - ranked.low == pytest.approx(wanted, rel=0.08)
    assert ranked.low < ranked.score < ranked.high
    assert ranked.score == values.mean()


def test_candidates_come_best_first_with_their_ranks():
    values = normal(200, 0.0, 3.0, 1.5)
    ranked = rank_candidates(["low", "high", "middle"], means(values), 200, seed=0)
    assert [each.name for each in ranked] == ["high", "middle", "low"]
    assert [each.mean_rank for each in ranked] == [1, 2, 3]
    assert [each.first_share for each in ranked] == [1, 0, 0]


def test_equal_candidates_share_rank_and_first_place():
    values = np.repeat(normal(30, 0.0), 2, axis=1)
    for each in rank_candidates(["a", "b"], means(values), 30, seed=0):
        assert (each.mean_rank, each.first_share) == (1.5, 0.5)


def test_first_share_is_how_often_a_difference_of_one_standard_error_holds():
    rows, error = 500, np.sqrt(2 / 500)
    noise = normal(rows, 0.0, 0.0)
    values = (noise - noise.mean(axis=0)) / noise.std(axis=0) + [error, 0.0]
    leader, _ = rank_candidates(["a", "b"], means(values), rows, resamples=4000, seed=0)
    assert leader.name == "a" and leader.first_share == pytest.approx(0.84, abs=0.03)


def test_a_score_that_falls_with_fewer_rows_is_moved_to_all_rows():
    values = normal(100, 0.0, 0.0)

    def score(index):
        return means(values)(index) + np.array([0.02, 0.0]) * len(index)

    for each in rank_candidates(["a", "b"], score, 100, seed=0):
        assert each.low < each.score < each.high


def test_repeated_rows_would_flatter_logme_where_half_of_the_rows_do_not():
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(60, 80, generator=generator), torch.arange(60) % 2
    repeated = np.random.default_rng(0).integers(0, 60, size=(20, 60))
    halves = [np.random.default_rng(seed).permutation(60)[:30] for seed in range(20)]
    full, twice, half = (
        np.mean([logme(features[index], labels[index]) for index in draws])
        for draws in ([np.arange(60)], repeated, halves)
    )
    assert twice - full > 5 * abs(half - full)


def test_resamples_without_a_score_are_left_out():
    values = normal(20, 0.0, 5.0)

    def score(index):
        return np.where(index[0] == 0, means(values)(index), np.nan)

    ranked = rank_candidates(["a", "b"], score, 20, seed=0)
    assert ranked[0].name == "b" and np.isfinite([ranked[0].low, ranked[1].high]).all()
    with pytest.raises(DataError, match="undefined in 200 of 200"):
        rank_candidates(["a"], lambda index: np.array([np.nan if len(index) < 20 else 1.0]), 20, seed=0)
    with pytest.raises(DataError, match="b has no score on all 20 rows"):
        rank_candidates(["a", "b"], lambda index: np.array([1.0, np.nan]), 20, seed=0)


def test_what_cannot_be_ranked_is_refused():
    values = normal(6, 0.0, 1.0)
    with pytest.raises(UsageError, match=r"\[candidates\], 3 of them; got shape \[2\]"):
        rank_candidates(["a", "b", "c"], means(values), 6, seed=0)
    with pytest.raises(UsageError, match="at least 2 resamples"):
        rank_candidates(["a", "b"], means(values), 6, resamples=1, seed=0)
    with pytest.raises(UsageError, match="candidates"):
        rank_candidates([], means(values), 6, seed=0)
    with pytest.raises(DataError, match="5 groups for 6 rows"):
        rank_candidates(["a", "b"], means(values), 6, seed=0, groups=list("abcde"))
    with pytest.raises(DataError, match="at least 2 groups; got 1"):
        rank_candidates(["a", "b"], means(values), 6, seed=0, groups=["a"] * 6)
    with pytest.raises(DataError, match="at least 2 rows; got 1"):
        rank_candidates(["a", "b"], means(values), 1, seed=0)
    with pytest.raises(UsageError, match="nothing ranked"):
        support([])


def named(**shares):
    return [Ranked(name, 0.0, 0.0, 0.0, 1.0, share) for name, share in shares.items()]


def test_support_says_how_often_the_leader_leads_and_never_rounds_it_up():
    assert support(named(minilm=0.98, bert=0.02)) == "minilm leads in 98 % of the resamples: well supported"
    assert support(named(minilm=0.95, bert=0.05)).endswith("95 % of the resamples: well supported")
    assert support(named(minilm=0.9499, bert=0.05)).startswith("not supported: minilm leads in only 94 %")
    assert support(named(a=0.55, b=0.04, c=0.41)) == (
        "not supported: a leads in only 55 % of the resamples, and c in 41 %"
    )
    assert support(named(a=1.0)) == "a is the only candidate"
