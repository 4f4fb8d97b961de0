from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from medplug.core.data.characteristics import Feature
from medplug.core.evaluation.shift import apart, standardised, told_apart, total_variation


def normal(seed: int, rows: int, mean: float = 0.0) -> Feature:
    return Feature("x", np.random.default_rng(seed).normal(mean, 1, rows))


def test_the_largest_gap_is_that_of_scipy_with_ties() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.integers(6, size=70).astype(float), draw.integers(1, 9, size=40).astype(float)
    found = apart(Feature("x", first), Feature("x", second))
    assert found.ks == pytest.approx(ks_2samp(first, second).statistic)


def test_the_standardised_difference_is_of_means_over_the_mean_variance() -> None:
    first, second = np.array([0.0, 2.0]), np.array([4.0, 10.0])
    assert standardised(first, second) == pytest.approx(6 / np.sqrt((1 + 9) / 2))
    assert standardised(np.ones(2), np.ones(3)) == 0
    assert standardised(np.ones(2), np.zeros(3)) is None


def test_total_variation_counts_missing_values_as_a_category() -> None:
    assert total_variation(["a", "a", "b", None], ["a", "a", "b", None]) == 0
    assert total_variation(["a", "b"], ["c", None]) == 1
    assert total_variation(["a", "a", "b", "b"], ["a", "b", "b", None]) == pytest.approx(0.25)


def test_a_feature_that_goes_missing_is_far_apart() -> None:
    there, gone = normal(0, 50), Feature("x", np.full(50, np.nan))
    found = apart(there, gone)
    assert (found.size, found.missing, found.ks) == (1.0, (0.0, 1.0), None)


def test_a_classifier_tells_shifted_rows_apart_as_well_as_theory_says() -> None:
    found = told_apart([normal(0, 800)], [normal(1, 800, mean=1.0)], seed=0)
    assert found is not None
    low, high = found.as_json()["ci95"]
    assert low < 0.7602 < high  # the normal distribution at 1 / sqrt(2)


def test_rows_alike_are_not_told_apart() -> None:
    highs = []
    for seed in range(10):
        ours, theirs = ([normal(2 * seed + side + 10 * i, 150) for i in range(8)] for side in (0, 1))
        found = told_apart(ours, theirs, seed=seed)
        assert found is not None
        highs.append(found.as_json()["ci95"][0])
    assert max(highs) < 0.6


def test_rows_of_equal_scores_count_half_however_they_stand_in_the_table() -> None:
    rare = Feature("ward", names=("x", "x", *["y"] * 98))
    found = told_apart([rare], [rare], seed=0)
    back = told_apart([Feature("ward", names=rare.names[::-1])], [rare], seed=0)
    assert found is not None and back is not None
    assert found.value <= 0.5 and back.value <= 0.5


def test_patients_are_not_recognised() -> None:
    """Rows of one patient are alike, and of one side: folds by row would tell the sides apart by who it is."""
    draw = np.random.default_rng(0)
    owner = np.repeat(np.arange(40), 10)
    own = draw.normal(size=(40, 30))[owner] + 0.01 * draw.normal(size=(400, 30))
    ours, theirs = ([Feature(str(i), each) for i, each in enumerate(part.T)] for part in (own[:200], own[200:]))
    groups = owner.astype(str).tolist()
    by_row, by_group = told_apart(ours, theirs, seed=0), told_apart(ours, theirs, groups=groups, seed=0)
    assert by_row is not None and by_group is not None
    assert by_row.value is not None and by_row.value > 0.9
    assert by_group.value is not None and by_group.value < 0.75


def test_few_rows_are_not_judged() -> None:
    assert told_apart([normal(0, 19)], [normal(1, 100)], seed=0) is None
