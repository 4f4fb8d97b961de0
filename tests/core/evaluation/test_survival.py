from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.errors import DataError, UsageError
from medplug.core.evaluation.metrics import fallback, measure
from medplug.core.evaluation.scores import estimate, per_class, point
from medplug.core.evaluation.survival import (
    baseline_hazard,
    cumulative_hazard,
    kaplan_meier,
    median_follow_up,
    median_time,
    median_times,
    null_residuals,
    outliving,
)

DEATH = Target("survival", ("death",))
HAND = np.array([(1, 1), (2, 0), (3, 1), (3, 1), (3, 0), (5, 0), (6, 1), (7, 0)], dtype=np.float64)

Array = NDArray[np.float64]


def drawn(rows: int, seed: int = 0, ties: int = 3) -> tuple[Array, Array]:
    draw = np.random.default_rng(seed)
    times, events = draw.integers(1, 2 + rows // ties, rows), draw.random(rows) < 0.6
    return np.column_stack([times, events]).astype(np.float64), np.round(draw.normal(size=(rows, 1)), 1)


def pairs(labels: Array, risk: Array) -> float:
    """Every comparable pair, one by one."""
    won = counted = 0.0
    for (mine, came), own in zip(labels, risk, strict=True):
        for (other, theirs), its in zip(labels, risk, strict=True):
            if came and (mine < other or (mine == other and not theirs)):
                counted += 1
                won += 1.0 if own > its else 0.5 if own == its else 0.0
    return won / counted if counted else float("nan")


@pytest.mark.parametrize("rows", [2, 5, 33, 80])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_concordance_counts_the_pairs_whose_earlier_time_is_an_events(rows: int, seed: int) -> None:
    labels, risk = drawn(rows, seed)
    assert point(DEATH, labels, risk, "c_index") == pytest.approx(pairs(labels, risk[:, 0]), nan_ok=True)


def test_concordance_at_weights_is_that_of_rows_repeated_so_often() -> None:
    labels, risk = drawn(40)
    counts = np.random.default_rng(4).integers(0, 4, size=(6, 40))
    repeated = [pairs(np.repeat(labels, each, axis=0), np.repeat(risk[:, 0], each)) for each in counts]
    np.testing.assert_allclose(measure(DEATH, "c_index", labels, risk, counts.astype(np.float32)), repeated)


def test_the_right_order_has_a_concordance_of_one_and_its_reverse_of_none() -> None:
    labels, _ = drawn(50)
    order = labels[:, :1] + 0.5 * (1 - labels[:, 1:])  # whoever is censored at the time of an event outlived it
    assert point(DEATH, labels, -order, "c_index") == 1
    assert point(DEATH, labels, order, "c_index") == 0
    assert point(DEATH, labels, np.zeros((50, 1)), "c_index") == 0.5


def test_where_no_event_came_nothing_is_defined() -> None:
    labels, risk = drawn(20)
    labels[:, 1] = 0
    found = estimate(DEATH, labels, risk, ["c_index", "cox_loss"], resamples=20)
    assert all(np.isnan(each.value) for each in found.values())


def test_many_rows_are_resampled_in_a_few_seconds() -> None:
    labels, risk = drawn(5000, ties=1)
    began = time.perf_counter()
    found = estimate(DEATH, labels, risk, ["c_index"], resamples=100)["c_index"]
    assert 0.45 < found.low < found.value < found.high < 0.55
    assert time.perf_counter() - began < 10


def plain_loss(labels: Array, risk: Array) -> float:
    losses = [
        np.log(np.exp(risk[labels[:, 0] >= at]).sum()) - own
        for (at, came), own in zip(labels, risk, strict=True)
        if came
    ]
    return float(np.mean(losses))


def test_the_loss_is_the_mean_of_the_events_own_at_any_weights() -> None:
    labels, risk = drawn(30)
    assert point(DEATH, labels, risk, "cox_loss") == pytest.approx(plain_loss(labels, risk[:, 0]))
    counts = np.random.default_rng(4).integers(0, 4, size=(5, 30))
    repeated = [plain_loss(np.repeat(labels, each, axis=0), np.repeat(risk[:, 0], each)) for each in counts]
    np.testing.assert_allclose(measure(DEATH, "cox_loss", labels, risk, counts.astype(np.float32)), repeated)
    assert fallback("survival") == "cox_loss"


def test_the_share_that_outlives_is_that_computed_by_hand() -> None:
    times, shares = kaplan_meier(HAND)
    assert times.tolist() == [1, 3, 6]
    np.testing.assert_allclose(shares, [7 / 8, 7 / 8 * 4 / 6, 7 / 8 * 4 / 6 * 1 / 2])
    assert median_time((times, shares)) == 6
    assert median_time(kaplan_meier(HAND[:2])) == 1
    assert median_time(kaplan_meier(HAND[[0, 1, 5, 7]])) is None
    assert median_follow_up(HAND) == 5  # watched longer than 5: 6/7 of 5/6 of 2/3, which is 10/21


def test_the_cumulative_hazard_is_that_computed_by_hand() -> None:
    times, hazard = cumulative_hazard(HAND, np.zeros(8))
    assert times.tolist() == [1, 3, 6]
    np.testing.assert_allclose(hazard, [1 / 8, 1 / 8 + 2 / 6, 1 / 8 + 2 / 6 + 1 / 2])
    doubled = cumulative_hazard(HAND, np.full(8, np.log(2.0)))[1]
    np.testing.assert_allclose(doubled, hazard / 2)


def test_residuals_without_features_are_events_less_those_expected() -> None:
    found = null_residuals(HAND)
    np.testing.assert_allclose(found[[0, 1, 5]], [1 - 1 / 8, -1 / 8, -(1 / 8 + 2 / 6)])
    assert found.sum() == pytest.approx(0)


def test_a_baseline_hazard_tells_chances_and_medians_and_no_rows_own_time() -> None:
    draw = np.random.default_rng(0)
    rows = 4000
    risk = draw.normal(size=rows)
    times = draw.exponential(np.exp(-risk) / 0.1)  # a hazard of 0.1 a unit at a risk of 0
    seen = draw.exponential(20, rows)
    labels = np.column_stack([np.minimum(times, seen), times <= seen]).astype(np.float64)
    hazard = baseline_hazard(labels, risk)
    assert len(hazard) == 100 and not {at for at, _ in hazard} & set(labels[:, 0].tolist())
    asked = np.array([2.0, 10.0])
    expected = np.exp(-0.1 * np.exp(np.array([-1.0, 0.0, 1.0]))[:, None] * asked)
    np.testing.assert_allclose(outliving(hazard, np.array([-1.0, 0.0, 1.0]), asked), expected, atol=0.03)
    medians = median_times(hazard, np.array([-9.0, 0.0, 1.0]))
    assert np.isnan(medians[0])
    np.testing.assert_allclose(medians[1:], np.log(2) / 0.1 / np.exp([0.0, 1.0]), rtol=0.1)


def test_few_events_give_no_baseline_hazard() -> None:
    assert baseline_hazard(HAND, np.zeros(8)) == ()


def test_labels_that_are_no_times_to_an_event_are_refused() -> None:
    labels, risk = drawn(10)
    with pytest.raises(DataError, match=r"shape \(10,\); it must be \(10, 2\)"):
        point(DEATH, labels[:, 0], risk, "c_index")
    with pytest.raises(DataError, match="times above 0, and zeros or ones"):
        point(DEATH, labels * [-1, 1], risk, "c_index")
    with pytest.raises(UsageError, match="'mae' is not a metric of a survival target.*c_index, cox_loss"):
        point(DEATH, labels, risk, "mae")
    assert per_class(DEATH, labels, risk) == {}
