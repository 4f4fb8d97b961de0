from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from medplug.core.evaluation.heterogeneity import of_parts, pooled


def part(value, low, high, metric="auroc"):
    return {"n": 10, "metrics": {metric: {"value": value, "ci95": [low, high]}}}


def test_it_is_the_method_written_out_step_by_step() -> None:
    """DerSimonian and Laird's moments, written out."""
    values, variances = np.array([0.10, 0.30, 0.35, 0.65, 0.45, 0.15]), np.array([0.03, 0.03, 0.05, 0.01, 0.05, 0.02])
    w = 1 / variances
    q = sum(w * (values - sum(w * values) / sum(w)) ** 2)
    tau2 = (q - 5) / (sum(w) - sum(w**2) / sum(w))
    u = 1 / (variances + tau2)
    mean = sum(u * values) / sum(u)
    error = np.sqrt(max(1, sum(u * (values - mean) ** 2) / 5) / sum(u))
    found = pooled(values, variances)
    assert (found.q, found.tau2, found.i2) == pytest.approx((q, tau2, (q - 5) / q))
    assert found.p == pytest.approx(stats.chi2.sf(q, 5))
    half, wide = stats.t.ppf(0.975, 5) * error, stats.t.ppf(0.975, 4) * np.sqrt(tau2 + error**2)
    assert found.mean == pytest.approx((mean, mean - half, mean + half))
    assert found.further == pytest.approx((mean, mean - wide, mean + wide))


def test_parts_that_are_alike_have_no_differences() -> None:
    found = pooled(np.full(4, 0.3), np.full(4, 0.01))
    assert (found.q, found.i2, found.tau2, found.p) == (pytest.approx(0), 0, 0, pytest.approx(1))


def test_the_interval_of_the_mean_covers_it_in_a_simulation() -> None:
    draw, inside, ahead = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        truths = 0.5 + 0.3 * draw.normal(size=9)
        variances = draw.uniform(0.01, 0.05, 8)
        found = pooled(truths[:8] + np.sqrt(variances) * draw.normal(size=8), variances)
        inside += found.mean.low <= 0.5 <= found.mean.high
        ahead += found.further.low <= truths[8] <= found.further.high
    assert 930 <= inside <= 975 and 910 <= ahead <= 975


def test_aurocs_are_pooled_by_their_log_odds_and_told_as_aurocs() -> None:
    parts = {"n": part(0.8, 0.7, 0.88), "s": part(0.9, 0.85, 0.94), "w": part(0.7, 0.6, 0.8)}
    found, counted = of_parts(parts, "auroc")
    errors = [(logit(high) - logit(low)) / (2 * 1.959964) for low, high in ((0.7, 0.88), (0.85, 0.94), (0.6, 0.8))]
    plain = pooled(logit(np.array([0.8, 0.9, 0.7])), np.array(errors) ** 2)
    assert found is not None and counted == ["n", "s", "w"]
    assert found.mean == pytest.approx([expit(each) for each in plain.mean])
    assert 0 < found.further.low < found.mean.low < found.mean.high < found.further.high < 1


def test_parts_without_a_score_or_at_its_end_are_left_out() -> None:
    parts = {"a": part(0.8, 0.7, 0.88), "b": part(1.0, 1.0, 1.0), "c": part(None, None, None), "d": part(0.7, 0.6, 0.8)}
    found, counted = of_parts(parts, "auroc")
    assert found is not None and counted == ["a", "d"] and np.isnan(found.further.low)
    assert found.as_json()["prediction"] == [None, None]
    assert of_parts({"a": parts["a"], "b": parts["b"]}, "auroc") == (None, ["a"])
    assert of_parts(parts, "brier") == (None, [])


def test_a_part_whose_interval_reaches_the_scales_end_counts_by_its_other_half() -> None:
    parts = {"small": part(0.95, 0.8, 1.0), "large": part(0.8, 0.75, 0.85)}
    found, counted = of_parts(parts, "auroc")
    errors = [(logit(0.95) - logit(0.8)) / 1.959964, (logit(0.85) - logit(0.75)) / (2 * 1.959964)]
    assert found is not None and counted == ["small", "large"]
    assert found.mean.value == pytest.approx(expit(pooled(logit([0.95, 0.8]), np.array(errors) ** 2).mean.value))


def test_a_brier_score_above_one_of_several_classes_counts() -> None:
    parts = {"a": part(1.1, 1.0, 1.2, "brier"), "b": part(0.8, 0.7, 0.9, "brier")}
    assert of_parts(parts, "brier")[1] == ["a", "b"]


@pytest.mark.parametrize(("metric", "values"), [("mae", (2.0, 3.0)), ("pearson", (-0.2, 0.4)), ("r2", (-1.5, 0.2))])
def test_every_metric_comes_back_in_its_own_unit(metric: str, values: tuple[float, float]) -> None:
    found, _ = of_parts({str(i): part(v, v - 0.1, v + 0.1, metric) for i, v in enumerate(values)}, metric)
    assert found is not None and min(values) <= found.mean.value <= max(values)
