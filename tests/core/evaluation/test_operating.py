from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from medplug.core.evaluation.operating import MEASURES, RULES, at_threshold, threshold_by


def rows_of(seed=0, rows=200):
    draw = np.random.default_rng(seed)
    truth = draw.random(rows) < 0.3
    return truth, np.round(np.clip(0.3 * truth + 0.7 * draw.random(rows), 0, 1), 2)


def shares(truth, decided):
    (true_negative, false), (missed, hit) = confusion_matrix(truth, decided)
    return hit / (hit + missed), true_negative / (true_negative + false)


@pytest.mark.parametrize("rule", ["youden", "f1"])
def test_no_other_threshold_does_better_by_the_rule(rule: str) -> None:
    truth, chances = rows_of()
    score = {"youden": lambda decided: sum(shares(truth, decided)), "f1": lambda decided: f1_score(truth, decided)}[
        rule
    ]
    best = max(score(chances >= at) for at in np.linspace(0, 1, 301))
    assert score(chances >= threshold_by(rule, truth, chances)) == pytest.approx(best)


@pytest.mark.parametrize("asked", [0.5, 0.9, 0.99])
def test_a_sensitivity_is_reached_by_the_highest_threshold_and_a_specificity_by_the_lowest(asked: float) -> None:
    truth, chances = rows_of(1)
    grid = np.linspace(0, 1.001, 1002)
    high, low = (threshold_by(f"{name}:{asked}", truth, chances) for name in ("sensitivity", "specificity"))
    assert high is not None and low is not None
    assert shares(truth, chances >= high)[0] >= asked and shares(truth, chances >= low)[1] >= asked
    assert all(shares(truth, chances >= at)[0] < asked for at in grid[grid > high + 0.005])
    assert all(shares(truth, chances >= at)[1] < asked for at in grid[grid < low - 0.005])


def test_rows_of_one_class_settle_nothing_but_one_half() -> None:
    for truth in (np.ones(4, bool), np.zeros(4, bool)):
        found = {rule: threshold_by(rule, truth, np.linspace(0, 1, 4)) for rule in RULES}
        assert found.pop("half") == 0.5 and set(found.values()) == {None}
    hopeless = np.array([False, True]), np.array([0.9, 0.1])
    assert threshold_by("specificity:0.5", *hopeless) is None  # the highest score is a negative row's


def test_measures_are_those_of_a_table_of_four_cells_with_weights() -> None:
    truth, chances = rows_of(2)
    weights = np.random.default_rng(0).integers(0, 3, (2, 200)).astype(float)
    decided = chances >= 0.5
    for row, each in zip(at_threshold(truth, decided)(weights), weights, strict=True):
        (tn, fp), (fn, tp) = confusion_matrix(truth, decided, sample_weight=each)
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        wanted = [sensitivity, specificity, tp / (tp + fp), tn / (tn + fn)]
        wanted += [sensitivity / (1 - specificity), (1 - sensitivity) / specificity, (tp + fp) / each.sum()]
        assert dict(zip(MEASURES, row, strict=True)) == pytest.approx(dict(zip(MEASURES, wanted, strict=True)))


def test_what_nothing_defines_is_nan() -> None:
    found = dict(
        zip(MEASURES, at_threshold(np.array([True, False]), np.zeros(2, bool))(np.ones((1, 2)))[0], strict=True)
    )
    assert np.isnan(found["ppv"]) and np.isnan(found["lr_positive"]) and found["specificity"] == 1
