from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax
from sklearn.isotonic import IsotonicRegression

from medplug.core.data.targets import Target
from medplug.core.evaluation.calibration import of_probabilities
from medplug.core.evaluation.linear import ABSENT_LOGIT
from medplug.core.evaluation.recalibration import compared, fit_calibration, methods

SEPSIS = Target("binary", ("no", "sepsis"))
STATE = Target("multiclass", ("a", "b", "c"))
FINDINGS = Target("multilabel", ("cough", "fever"))
CHOICE = Target("choice", ("A", "B", "C"))
TARGETS = (SEPSIS, STATE, FINDINGS)


def rows_of(target, rows=300, strength=3.0, seed=0):
    """Logits that are `strength` times too large, and the truth drawn by the right ones."""
    draw = np.random.default_rng(seed)
    right = draw.normal(size=(rows, target.outputs))
    if target.kind in ("multiclass", "choice"):
        noise = draw.gumbel(size=right.shape)
        return strength * right, (right + noise).argmax(axis=1)
    truth = draw.random(right.shape) < expit(right)
    return strength * right, truth[:, 0].astype(int) if target.kind == "binary" else truth.astype(int)


def log_loss(target, logits, labels):
    chances = target.probabilities(logits)
    if target.kind == "multilabel":
        return -np.log(np.where(labels, chances, 1 - chances)).mean()
    return -np.log(chances[np.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize("target", [*TARGETS, CHOICE], ids=lambda each: each.kind)
def test_a_temperature_finds_how_much_too_large_logits_are_and_moves_no_decision(target: Target) -> None:
    logits, labels = rows_of(target, 4000)
    found = fit_calibration("temperature", target, logits, labels)
    assert found is not None and found.scale[0] == pytest.approx(1 / 3, rel=0.1)
    corrected = replace(target, calibration=found)
    assert np.array_equal(
        corrected.decide(corrected.probabilities(logits)), target.decide(target.probabilities(logits))
    )


def test_a_temperature_is_the_plain_maximum_of_the_likelihood_with_one_row_more() -> None:
    logits, labels = rows_of(STATE)
    truth = (300 * np.eye(3)[labels] + 1 / 3) / 301
    plain = minimize_scalar(lambda t: -(truth * log_softmax(logits / t, axis=1)).sum(axis=1).mean(), (0.5, 2)).x
    found = fit_calibration("temperature", STATE, logits, labels)
    assert found is not None and 1 / found.scale[0] == pytest.approx(plain, rel=2e-3)


def test_platts_line_is_the_plain_fit_to_softened_labels() -> None:
    logits, labels = rows_of(SEPSIS)
    positive = labels.sum()
    soft = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (300 - positive + 2))

    def loss(line):
        odds = line[0] + line[1] * logits[:, 0]
        return (np.logaddexp(0, odds) - soft * odds).sum()

    found = fit_calibration("platt", SEPSIS, logits, labels)
    assert found is not None
    assert [*found.shift, *found.scale] == pytest.approx(minimize(loss, [0, 1], tol=1e-10).x, abs=1e-4)


def test_isotonic_steps_are_scikit_learns_and_stay_off_nought_and_one() -> None:
    logits, labels = rows_of(SEPSIS, 1200)
    found = fit_calibration("isotonic", SEPSIS, logits, labels)
    chances = SEPSIS.probabilities(logits)[:, 1]
    plain = IsotonicRegression(y_min=1 / 1202, y_max=1 - 1 / 1202, out_of_bounds="clip").fit(chances, labels)
    fresh = np.linspace(-8, 8, 50)[:, None]
    corrected = replace(SEPSIS, calibration=found).probabilities(fresh)
    assert corrected[:, 1] == pytest.approx(plain.predict(SEPSIS.probabilities(fresh)[:, 1]))
    assert corrected.min() > 0 and corrected.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.kind)
def test_every_correction_helps_on_fresh_rows_of_a_model_too_sure_of_itself(target: Target, method: str) -> None:
    found = fit_calibration(method, target, *rows_of(target, 2000))
    logits, labels = rows_of(target, 2000, seed=1)
    corrected = replace(target, calibration=found)
    assert log_loss(corrected, logits, labels) < log_loss(target, logits, labels) - 0.05
    if target.kind == "multiclass":
        assert corrected.probabilities(logits).sum(axis=1) == pytest.approx(1)
    if target.kind == "binary":
        fit = of_probabilities(labels == 1, corrected.probabilities(logits)[:, 1])
        slope, shift = fit.statistic(np.ones((1, len(labels))))[0, :2]
        assert abs(slope - 1) < 0.2 and abs(shift) < 0.2


def test_rows_that_a_model_gets_all_right_do_not_make_its_probabilities_certain() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    logits = np.where(labels == 1, 2.0, -2.0)[:, None]
    found = fit_calibration("temperature", SEPSIS, logits, labels)
    chances = replace(SEPSIS, calibration=found).probabilities(logits)
    assert 0.9 < chances[labels == 1, 1].min() < 0.95


@pytest.mark.parametrize("target", [STATE, CHOICE], ids=lambda each: each.kind)
def test_nor_do_they_of_several_classes_however_many_there_are(target: Target) -> None:
    labels = np.arange(100) % 3
    logits = np.where(np.eye(3)[labels] == 1, 2.0, -2.0)
    if target.kind == "choice":
        logits[labels < 2, 2] = ABSENT_LOGIT
    corrected = replace(target, calibration=fit_calibration("temperature", target, logits, labels))
    chances = corrected.probabilities(logits)
    assert 0.97 < chances[np.arange(100), labels].min() < 0.999
    assert chances[logits < ABSENT_LOGIT / 2].max(initial=0.0) < 1e-30


def test_a_row_whose_class_the_model_rules_out_does_not_flatten_the_others() -> None:
    logits, labels = rows_of(STATE, 500, strength=1.0)
    logits[:, 2] = ABSENT_LOGIT
    found = fit_calibration("temperature", STATE, logits, labels)
    kept = labels < 2
    alone = fit_calibration("temperature", STATE, logits[kept], labels[kept])
    assert found is not None and alone is not None and found.scale == pytest.approx(alone.scale, rel=0.02)


def test_platts_line_never_turns_rows_round_nor_makes_them_all_alike() -> None:
    draw = np.random.default_rng(0)
    truth = np.column_stack([draw.integers(0, 2, 200), np.zeros(200, int)])  # no row has the second label
    logits = draw.normal(size=(200, 2)) - 2 * truth  # and the first is told the wrong way round
    corrected = replace(FINDINGS, calibration=fit_calibration("platt", FINDINGS, logits, truth)).probabilities(logits)
    plain = FINDINGS.probabilities(logits)
    assert np.array_equal(corrected.argsort(axis=0), plain.argsort(axis=0))
    assert corrected[:, 1].mean() < 0.01 and corrected[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.01)


def test_what_rows_do_not_settle_is_left_as_it_is() -> None:
    logits, labels = rows_of(SEPSIS, 40)
    assert fit_calibration("isotonic", SEPSIS, logits, np.zeros(40, int)) is None
    absent = np.column_stack([rows_of(STATE)[0][:, :2], np.full(300, ABSENT_LOGIT)])
    assert fit_calibration("platt", STATE, absent, rows_of(SEPSIS)[1]) is None
    found = fit_calibration("temperature", STATE, absent, rows_of(SEPSIS)[1])
    assert replace(STATE, calibration=found).probabilities(absent)[:, 2].max() < 1e-30


def test_methods_are_compared_on_rows_that_they_were_not_fitted_on() -> None:
    logits, labels = rows_of(SEPSIS, 200, strength=1.0)
    found = compared(SEPSIS, logits, labels, None, 0)
    assert [*found] == ["none", "temperature", "platt"]
    assert found["none"] == pytest.approx(log_loss(SEPSIS, logits, labels))  # every row is held out once
    assert min(found, key=lambda name: found[name]) == "none"  # nothing to correct: a fit costs a little
    assert min((spoilt := compared(SEPSIS, 4 * logits + 3, labels, None, 0)), key=lambda name: spoilt[name]) == "platt"
    assert [*compared(SEPSIS, *rows_of(SEPSIS, 1300), None, 0)][-1] == "isotonic"


def test_groups_stay_together_in_the_comparison() -> None:
    """Each patient has one value and one label; a method that learns them by heart gains nothing."""
    draw = np.random.default_rng(0)
    logits, labels = np.repeat(draw.normal(size=(60, 1)), 30, axis=0), np.repeat(draw.integers(0, 2, 60), 30)
    groups = np.repeat([f"p{i}" for i in range(60)], 30).tolist()
    apart, together = compared(SEPSIS, logits, labels, None, 0), compared(SEPSIS, logits, labels, groups, 0)
    assert apart["isotonic"] < apart["none"] and together["isotonic"] > apart["isotonic"] + 0.02


def test_too_few_rows_or_groups_are_not_compared() -> None:
    logits, labels = rows_of(SEPSIS, 19)
    assert compared(SEPSIS, logits, labels, None, 0) == {}
    logits, labels = rows_of(SEPSIS, 40)
    assert compared(SEPSIS, logits, labels, ["a", "b", "c", "d"] * 10, 0) == {}
    assert methods(Target("regression", ("age",)), 5000) == () and methods(CHOICE, 5000) == ("temperature",)
