"""Metrics of predicted numbers, against scipy, scikit-learn and pairs counted one by one."""

from __future__ import annotations

import math
import time
import timeit
from fractions import Fraction
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
NAMES = ("mae", "mse", "r2", "rm2", "pearson", "spearman", "c_index")


def harrell(labels, predicted):
    """Harrell's C, pair by pair."""
    score = pairs = 0.0
    for (a, p), (b, q) in combinations(zip(labels, predicted, strict=True), 2):
        if a != b:
            pairs += 1
            score += 0.5 if p == q else float((a < b) == (p < q))
    return score / pairs if pairs else math.nan


def roy(labels, predicted):
    """The modified r², by least squares with and without an intercept."""
    through, *_ = np.linalg.lstsq(predicted[:, None], labels, rcond=None)
    r2 = stats.linregress(predicted, labels).rvalue ** 2
    r02 = 1 - np.square(labels - through[0] * predicted).sum() / np.square(labels - labels.mean()).sum()
    return r2 * (1 - math.sqrt(abs(r2 - r02)))


REFERENCE = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "r2": sk.r2_score,
    "rm2": roy,
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


def test_a_factor_on_the_predictions_leaves_the_modified_r2_and_an_offset_does_not():
    labels, predicted = numbers()
    value = point(AGE, labels, predicted, "rm2")
    assert point(AGE, labels, 3 * predicted, "rm2") == pytest.approx(value, rel=1e-9)
    assert point(AGE, labels, labels[:, None], "rm2") == pytest.approx(1)
    assert point(AGE, labels, labels[:, None] + 60, "rm2") < 0.5


def test_the_modified_r2_keeps_its_digits_far_from_zero():
    labels, predicted = (1e6 + each for each in numbers())
    exact = [[Fraction(value) for value in each] for each in (labels.tolist(), predicted[:, 0].tolist())]
    assert point(AGE, labels, predicted, "rm2") == pytest.approx(float(exact_roy(*exact)), rel=1e-6)


def exact_roy(labels, predicted):
    """The modified r² in exact fractions, but for the root."""
    rows, slope = (
        len(labels),
        sum(y * p for y, p in zip(labels, predicted, strict=True)) / sum(p * p for p in predicted),
    )
    ys, ps = ([value - sum(each) / rows for value in each] for each in (labels, predicted))
    r2 = sum(y * p for y, p in zip(ys, ps, strict=True)) ** 2 / (sum(y * y for y in ys) * sum(p * p for p in ps))
    missed = sum((y - slope * p) ** 2 for y, p in zip(labels, predicted, strict=True))
    return float(r2) * (1 - math.sqrt(r2 - 1 + missed / sum(y * y for y in ys)))


@pytest.mark.parametrize("seed", range(6))
def test_concordance_counts_every_pair_of_different_labels_with_its_weight(seed):
    draw = np.random.default_rng(seed)
    rows, steps = draw.integers(2, 70, 2)
    labels, predicted = draw.integers(0, steps, rows) / 4, draw.integers(0, steps, rows) / 3
    weights = draw.integers(0, 4, (5, rows)) + draw.integers(0, 2, (5, 1)) / 4
    above = labels[:, None] > labels
    won = above * ((predicted[:, None] > predicted) + 0.5 * (predicted[:, None] == predicted))
    pairs = np.einsum("bi,bj,ij->b", weights, weights, above)
    expected = np.einsum("bi,bj,ij->b", weights, weights, won) / np.where(pairs, pairs, np.nan)
    found = measure(AGE, "c_index", labels, predicted[:, None], weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_concordance_of_twice_the_rows_takes_little_more_than_twice_the_time():
    # of pairs counted one by one 20,000 rows have 200 million, and twice the rows four times as many
    def seconds(rows):
        labels, predicted = numbers(rows)
        return min(
            timeit.repeat(lambda: point(AGE, labels, predicted, "c_index"), number=1, repeat=3, timer=time.process_time)
        )

    assert seconds(20_000) < 1 and seconds(80_000) < 9 * seconds(20_000)


@pytest.mark.parametrize("name", ["r2", "rm2", "pearson", "spearman", "c_index"])
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
