"""Boosted trees for times to an event and for treatments: what they learn that a linear model does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation import trees
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.tree_baseline import Split, tree_baseline

PLAIN = np.zeros(2, dtype=bool)
SURVIVAL = Target("survival", ("death",))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ROUNDS", (20,))
    monkeypatch.setattr(trees, "LEAVES", (4,))


def parts(matrix, labels):
    return Split(matrix[:240], labels[:240]), Split(matrix[240:320], labels[240:320]), matrix[320:]


def test_a_risk_that_rises_on_both_sides_puts_rows_in_order():
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(500, 2))
    times = generator.exponential(np.exp(2 - 3 * np.abs(matrix[:, 0])))
    censored = generator.uniform(0, 20, 500)
    labels = np.column_stack([np.minimum(times, censored), times <= censored])
    found, notes = tree_baseline(*parts(matrix, labels), SURVIVAL, "c_index", 0, categorical=PLAIN)
    assert found.shape == (180, 1)
    assert point(SURVIVAL, labels[320:], found, "c_index") > 0.65
    assert json.loads(json.dumps(notes)) == notes


@pytest.mark.parametrize("binary", [False, True])
def test_each_arms_outcome_is_learned_from_its_own_rows(binary):
    generator = np.random.default_rng(1)
    matrix = generator.normal(size=(500, 2))
    arm = (generator.random(500) < 1 / (1 + np.exp(-2 * matrix[:, 1]))).astype(float)
    effect = np.where(np.abs(matrix[:, 0]) > 0.7, 3.0, -3.0)  # no linear model of the columns knows it
    outcome = effect * arm + generator.normal(size=500)
    if binary:
        outcome = (outcome > 0).astype(float)
    target = Target("treatment", ("no", "yes"), outcomes=("ill", "well") if binary else ())
    found, notes = tree_baseline(
        *parts(matrix, np.column_stack([arm, outcome])), target, "factual_loss", 0, categorical=PLAIN
    )
    gain = found[:, 1] - found[:, 0]
    assert np.mean((gain > 0) == (effect[320:] > 0)) > 0.8
    np.testing.assert_allclose(found[:, 2:].sum(axis=1), 1)
    assert np.corrcoef(found[:, 3], matrix[320:, 1])[0, 1] > 0.5
    assert set(notes) == {"propensity", "outcome"} and set(notes["outcome"]) == {"no", "yes"}


def test_an_arm_of_too_few_rows_has_its_mean():
    generator = np.random.default_rng(2)
    matrix, arm = generator.normal(size=(500, 2)), np.zeros(500)
    arm[:2] = 1
    labels = np.column_stack([arm, np.where(arm == 1, 7.0, generator.normal(size=500))])
    found, notes = tree_baseline(
        *parts(matrix, labels), Target("treatment", ("no", "yes")), "factual_loss", 0, categorical=PLAIN
    )
    assert (found[:, 1] == 7.0).all() and notes["outcome"]["yes"]["rounds"] == 0


def test_classes_are_left_to_the_trees_of_classes():
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(500, 2))
    labels = (matrix[:, 0] > 0).astype(np.int64)
    target = Target("binary", ("a", "b"))
    found, _ = tree_baseline(*parts(matrix, labels), target, "auroc", 0, categorical=PLAIN)
    assert point(target, labels[320:], found, "auroc") > 0.95
