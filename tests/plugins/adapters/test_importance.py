"""Weights of source rows: of mean one, highest where the target lies, whatever the features' units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.transfer.importance import classifier_density_ratio, kernel_mean_matching, kliep
from medplug.plugins.adapters import options
from medplug.plugins.adapters.importance import DensityRatio, KernelMeanMatching

WEIGHING: dict[str, Any] = {
    "kmm": KernelMeanMatching(options.KmmOptions()),
    "classifier": DensityRatio(options.DensityRatioOptions()),
    "kliep": DensityRatio(options.DensityRatioOptions(method="kliep")),
}


def domains(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A source around zero and a target around one along the first of three features."""
    draw = np.random.default_rng(seed)
    source, target = draw.normal(size=(150, 3)), draw.normal(size=(100, 3)) * 0.7 + [1, 0, 0]
    return source.astype(np.float32), target.astype(np.float32)


@pytest.mark.parametrize("name", WEIGHING)
def test_source_rows_near_the_target_weigh_more(name: str) -> None:
    source, target = domains()
    weights = WEIGHING[name].weigh(source, target, 0)
    assert weights.shape == (150,) and (weights >= 0).all() and weights.mean() == pytest.approx(1, abs=0.1)
    near = source[:, 0] > 0.5
    assert weights[near].mean() > 2 * weights[~near].mean()
    before = np.abs(source.mean(0) - target.mean(0)).max()
    assert np.abs(np.average(source, axis=0, weights=weights) - target.mean(0)).max() < 0.6 * before


@pytest.mark.parametrize("name", WEIGHING)
def test_the_units_of_a_feature_do_not_matter(name: str) -> None:
    source, target = domains()
    units = np.array([1, 1000, 0.01], np.float32)
    found = [WEIGHING[name].weigh(source * each, target * each, 0) for each in (1, units)]
    np.testing.assert_allclose(*found, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", WEIGHING)
def test_equal_domains_leave_the_rows_nearly_equal_and_a_constant_feature_says_nothing(name: str) -> None:
    source, _ = domains()
    target = np.random.default_rng(9).normal(size=(100, 3)).astype(np.float32)
    weights = WEIGHING[name].weigh(source, target, 0)
    assert np.abs(weights - 1).mean() < 0.35
    constant = np.full((150, 1), 7, np.float32)
    beside = [np.hstack([rows, constant[: len(rows)]]) for rows in (source, target)]
    np.testing.assert_allclose(WEIGHING[name].weigh(*beside, 0), weights, rtol=1e-2, atol=1e-2)


def test_options_reach_the_estimates() -> None:
    source, target = domains()
    bounded = KernelMeanMatching(options.KmmOptions(bound=1.5)).weigh(source, target, 0)
    assert bounded.max() <= 1.5 + 1e-9 < WEIGHING["kmm"].weigh(source, target, 0).max()
    two = DensityRatio(options.DensityRatioOptions(folds=2)).weigh(source, target, 4)
    np.testing.assert_array_equal(two, classifier_density_ratio(source, target, folds=2, seed=4))
    scale = np.concatenate([source, target]).std(0)
    matched = kernel_mean_matching(source / scale, target / scale, bound=10)
    np.testing.assert_allclose(WEIGHING["kmm"].weigh(source, target, 0), matched, rtol=1e-3, atol=1e-3)
    likeliest = kliep(source / scale, target / scale, folds=5, seed=0)
    np.testing.assert_allclose(WEIGHING["kliep"].weigh(source, target, 0), likeliest, rtol=1e-3, atol=1e-3)


def test_few_target_rows_are_cut_into_fewer_parts() -> None:
    source, target = domains()
    for name in ("classifier", "kliep"):
        assert np.isfinite(WEIGHING[name].weigh(source, target[:3], 0)).all()
