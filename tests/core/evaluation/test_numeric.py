"""Metrics of predicted numbers, against scipy, scikit-learn and pairs counted one by one."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from medplug.core.data.targets import Target
from medplug.core.errors import DataError, UsageError
from medplug.core.evaluation.metrics import GREATER_IS_BETTER, fallback, measure, metric_names
from medplug.core.evaluation.scores import estimate, paired_difference, per_class, point

AGE = Target("regression", ("age",), 40.0, 15.0)
NAMES = ("mae", "mse", "r2", "pearson", "spearman", "c_index")


def harrell(labels, predicted):
    """Harrell's C, pair by pair."""
    score = pairs = 0.0
    for (a, p), (b, q) in combinations(zip(labels, predicted, strict=True), 2):
        if a != b:
            pairs += 1
            score += 0.5 if p == q else float((a < b) == (p < q))
    return score / pairs if pairs else math.nan


REFERENCE = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "r2": sk.r2_score,
    "pearson": lambda labels, predicted: stats.pearsonr(labels, predicted).statistic,
    "spearman": lambda labels, predicted: stats.spearmanr(labels, predicted).statistic,
    "c_index": harrell,
}


def numbers(rows=60, ties=False, seed=0):
    """Labels and predictions ``[rows, 1]``; with `ties`, many equal ones on both sides."""
    draw = np.random.default_rng(seed)
    labels = 40 + 15 * draw.normal(size=rows)
    predicted = labels + 10 * draw.normal(size=rows)
    if ties:
        labels, predicted = (np.round(each / 10) * 10 for each in (labels, predicted))
    return labels, predicted[:, None]


def test_a_number_has_these_metrics_and_no_others():
    assert set(metric_names("regression")) == set(NAMES) == set(REFERENCE)
    assert not {*metric_names("binary"), *metric_names("multilabel")} & set(NAMES)
    assert {name for name in NAMES if not GREATER_IS_BETTER[name]} == {"mae", "mse"}
    assert (fallback("regression"), fallback("multiclass")) == ("mse", "log_loss")
    with pytest.raises(UsageError, match="not a metric of a regression target"):
        point(AGE, *numbers(), "ece")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ties", [False, True])
def test_every_metric_is_what_others_compute(name, ties):
    labels, predicted = numbers(ties=ties)
    assert point(AGE, labels, predicted, name) == pytest.approx(REFERENCE[name](labels, predicted[:, 0]), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_whole_weight_counts_a_row_so_many_times(name, ties, dtype):
    labels, predicted = numbers(40, ties=ties)
    counts = np.random.default_rng(1).integers(0, 4, (5, 40))
    found = measure(AGE, name, labels, predicted, counts.astype(dtype))
    for value, count in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(40), count)
        assert value == pytest.approx(REFERENCE[name](labels[rows], predicted[rows, 0]), rel=1e-6)


@pytest.mark.parametrize("name", ["pearson", "spearman", "c_index"])
def test_unit_and_zero_of_the_predictions_do_not_matter_to_a_correlation(name):
    labels, predicted = numbers()
    value = point(AGE, labels, predicted, name)
    assert point(AGE, labels, 1e6 + 1e-3 * predicted, name) == pytest.approx(value, rel=1e-6)
    reversed_sign = 1 - value if name == "c_index" else -value
    assert point(AGE, labels, -predicted, name) == pytest.approx(reversed_sign)


def test_the_training_mean_explains_nothing_and_orders_nothing():
    labels, _ = numbers()
    mean = np.full((60, 1), labels.mean())
    assert point(AGE, labels, mean, "r2") == pytest.approx(0, abs=1e-12)
    assert point(AGE, labels, mean, "c_index") == 0.5
    assert math.isnan(point(AGE, labels, mean, "pearson")) and math.isnan(point(AGE, labels, mean, "spearman"))


@pytest.mark.parametrize("name", ["r2", "pearson", "spearman", "c_index"])
def test_rows_of_one_value_leave_a_metric_undefined(name):
    labels, predicted = numbers()
    assert math.isnan(point(AGE, np.full(60, 0.1), predicted, name))
    one_row = np.zeros((1, 60), dtype=np.float32)
    one_row[0, 7] = 60  # a resample that drew one row alone
    assert np.isnan(measure(AGE, name, labels, predicted, one_row)).all()


def test_intervals_hold_the_point_estimate():
    labels, predicted = numbers(200)
    for name, found in estimate(AGE, labels, predicted, NAMES, resamples=200).items():
        assert found.low <= found.value <= found.high and found.low < found.high, name


def test_a_better_model_differs_from_a_worse_one_on_the_same_resamples():
    labels, predicted = numbers(200)
    worse = predicted + 30 * np.random.default_rng(5).normal(size=predicted.shape)
    found = paired_difference(AGE, labels, predicted, worse, NAMES, resamples=100)
    for name in NAMES:
        assert found[name].low > 0 if GREATER_IS_BETTER[name] else found[name].high < 0, name


def test_a_number_has_no_classes_to_score():
    assert per_class(AGE, *numbers()) == {}


def test_labels_and_predictions_must_be_finite_and_fit_each_other():
    labels, predicted = numbers()
    with pytest.raises(DataError, match="finite"):
        point(AGE, np.where(labels > 50, np.nan, labels), predicted, "mae")
    with pytest.raises(DataError, match="not finite"):
        point(AGE, labels, predicted * np.inf, "mae")
    with pytest.raises(DataError, match="shape"):
        point(AGE, labels, predicted[:, 0], "mae")
