from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from medplug.core.evaluation.calibration import (
    bins_of_equal_count,
    error_by_count,
    of_numbers,
    of_probabilities,
)
from medplug.core.evaluation.resampling import bootstrap_weights


def rows_of(rows=400, slope=0.7, shift=0.4, seed=0):
    """Log odds in steps (many ties), and a truth that they tell too steeply."""
    draw = np.random.default_rng(seed)
    odds = np.round(2 * draw.normal(size=rows), 1)
    return draw.random(rows) < expit(shift + slope * odds), expit(odds)


def slope_and_intercept(truth, chances):
    """Of all rows once, by the way that runs take."""
    return of_probabilities(truth, chances).statistic(np.ones((1, len(truth))))[0, :2]


def weighted_loss(parameters, odds, truth, weights):
    return weights @ np.logaddexp(0, np.where(truth, -1, 1) * (parameters[0] + parameters[1] * odds))


def test_slope_and_intercept_are_those_of_logistic_regression() -> None:
    truth, chances = rows_of()
    slope, intercept = slope_and_intercept(truth, chances)
    fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(logit(chances)[:, None], truth)
    assert slope == pytest.approx(fitted.coef_[0, 0], abs=1e-6)
    in_the_large = brentq(lambda shift: (truth - expit(shift + logit(chances))).sum(), -5, 5)
    assert intercept == pytest.approx(in_the_large, abs=1e-6)


def test_every_resample_is_fitted_as_a_plain_fit_of_its_rows_would_be() -> None:
    truth, chances = rows_of(120, seed=3)
    statistic = of_probabilities(truth, chances).statistic
    groups = np.arange(120) // 3
    (weights,) = bootstrap_weights(120, groups=groups, resamples=20, seed=1)
    found = statistic(weights)
    for row, each in zip(found, weights, strict=True):
        each = each.astype(np.float64)
        plain = minimize(weighted_loss, [0, 1], args=(logit(chances), truth, each), tol=1e-10).x
        shift = brentq(lambda shift, w=each: w @ (truth - expit(shift + logit(chances))), -5, 5)
        assert row[:2] == pytest.approx([plain[1], shift], abs=2e-4)
        curve = expit(plain[0] + plain[1] * logit(of_probabilities(truth, chances).at))
        assert row[2:] == pytest.approx(curve, abs=2e-4)


def test_very_many_rows_are_taken_together_and_resamples_hardly_move() -> None:
    """Far less than an interval: the slopes of resamples have a standard deviation of 0.02."""
    draw = np.random.default_rng(0)
    odds = 2 * draw.normal(size=6000)
    truth = draw.random(6000) < expit(0.3 + 0.7 * odds)
    (weights,) = bootstrap_weights(6000, resamples=5, seed=0)
    found = of_probabilities(truth, expit(odds)).statistic(weights)
    for row, each in zip(found, weights, strict=True):
        plain = minimize(weighted_loss, [0, 1], args=(odds, truth, each.astype(np.float64)), tol=1e-8).x
        assert row[0] == pytest.approx(plain[1], abs=1e-3)


def test_right_probabilities_have_slope_one_and_no_intercept() -> None:
    truth, chances = rows_of(200_000, slope=1, shift=0)
    assert slope_and_intercept(truth, chances) == pytest.approx((1, 0), abs=0.03)


def test_a_slope_without_bound_is_undefined_and_not_huge() -> None:
    chances = np.array([0.1, 0.2, 0.3, 0.7, 0.8])
    for truth in (chances > 0.5, np.ones(5, bool), np.zeros(5, bool)):
        assert np.isnan(slope_and_intercept(truth, chances)[0])
    assert np.isnan(of_probabilities(chances > 0.5, chances).statistic(np.ones((3, 5)))[:, 0]).all()
    assert np.isnan(slope_and_intercept(np.array([True, False] * 3), np.full(6, 0.4))[0])  # nothing to tell rows by


@pytest.mark.parametrize("strength", [0.02, 5.0])
def test_a_slope_far_from_one_is_found_too(strength: float) -> None:
    truth, chances = rows_of(2000, slope=1)
    slope, _ = slope_and_intercept(truth, expit(strength * logit(chances) + 1))
    assert slope * strength == pytest.approx(slope_and_intercept(truth, chances)[0], rel=1e-3)


def test_probabilities_of_nought_and_one_leave_it_finite() -> None:
    truth, chances = rows_of()
    chances[:3], truth[:3] = [0, 1, 1], [True, False, True]
    assert np.isfinite(slope_and_intercept(truth, chances)).all()


def test_of_numbers_it_is_the_least_squares_line_of_measured_on_predicted() -> None:
    draw = np.random.default_rng(0)
    predicted = draw.normal(50, 5, 80)
    measured = 10 + 0.6 * predicted + draw.normal(size=80)
    fit, weights = of_numbers(measured, predicted), draw.integers(0, 4, (5, 80)).astype(float)
    for row, each in zip(fit.statistic(weights), weights, strict=True):
        slope, start = np.polyfit(predicted, measured, 1, w=np.sqrt(each))
        mean = np.average(measured - predicted, weights=each)
        assert row == pytest.approx([slope, mean, *(start + slope * fit.at)], rel=1e-8)
    assert np.isnan(of_numbers(measured, np.full(80, 3.0)).statistic(np.ones((1, 80)))[0, 0])


def test_bins_of_equal_count_have_about_as_many_rows_and_part_no_ties() -> None:
    draw = np.random.default_rng(0)
    bins = bins_of_equal_count(draw.random(150))
    assert np.bincount(bins).tolist() == [10] * 15
    tied = np.round(draw.random(200), 1)
    bins = bins_of_equal_count(tied)
    assert all(len(set(bins[tied == value])) == 1 for value in tied) and (np.diff(bins[np.argsort(tied)]) >= 0).all()
    assert bins_of_equal_count(np.full(30, 0.2)).tolist() == [0] * 30


def test_the_error_over_bins_of_equal_count_is_its_definition() -> None:
    draw = np.random.default_rng(1)
    confidence, weights = draw.random(90), draw.integers(0, 3, 90).astype(float)
    right = draw.random(90) < confidence**2
    bins, statistic = error_by_count(confidence, right)
    edges, total = np.sort(confidence)[5::6], 0.0  # the last of each six
    for lower, upper in zip([-1, *edges[:-1]], edges, strict=True):
        inside = (confidence > lower) & (confidence <= upper)
        total += abs(weights[inside] @ (confidence - right)[inside])
    assert bins == 15 and statistic(weights[None])[0] == pytest.approx(total / weights.sum())
