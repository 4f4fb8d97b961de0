"""Effects and policies are estimated from simulated rows whose every outcome is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import head_probabilities, majority
from medplug.core.evaluation.metrics import GREATER_IS_BETTER, fallback, measure, metric_names
from medplug.core.evaluation.scores import estimate, point
from medplug.core.evaluation.t_learner import fit_t_learner
from medplug.core.evaluation.treatment import LEAST_PROPENSITY, doubly_robust, effective_rows
from medplug.core.judging.treatments import treatment_scores

NUMBER = Target("treatment", ("placebo", "drug"), 1.0, 2.0, outcomes=("score",))
CLASS = Target("treatment", ("0", "a", "b"), outcomes=("dead", "alive"))


class World:
    """Rows of two arms: `x0` moves both the choice and the outcome, `x1` decides whom the drug helps."""

    def __init__(self, rows: int, seed: int, effect: float = 0.3) -> None:
        rng = np.random.default_rng(seed)
        self.features = rng.normal(size=(rows, 2))
        self.chance = 1 / (1 + np.exp(-self.features[:, 0]))
        arm = rng.random(rows) < self.chance
        noise = rng.normal(size=rows)
        self.under = np.stack([2 * self.features[:, 0], 2 * self.features[:, 0] + effect + self.features[:, 1]], axis=1)
        self.labels = np.column_stack([arm, self.under[np.arange(rows), arm.astype(int)] + noise]).astype(float)

    def predicted(self, *, outcomes: bool, chances: bool) -> NDArray[np.float64]:
        """The true outcomes and propensities, or ones that know nothing."""
        y = self.under if outcomes else np.zeros_like(self.under)
        e = self.chance if chances else np.full(len(y), 0.5)
        return np.column_stack([y, 1 - e, e])


def test_scores_of_rows_are_the_formula() -> None:
    labels = np.array([[1, 3.0], [0, -1.0], [1, 2.0]])
    predicted = np.array([[1.0, 2.0, 0.25, 0.75], [0.0, 1.0, 0.5, 0.5], [5.0, 4.0, 0.9999, 0.0001]])
    expected = [[1.0, 2 + 1 / 0.75], [0 - 1 / 0.5, 1.0], [5.0, 4 - 2 / LEAST_PROPENSITY]]
    np.testing.assert_allclose(doubly_robust(NUMBER, labels, predicted), expected)


@pytest.mark.parametrize(("outcomes", "chances"), [(True, True), (True, False), (False, True)])
def test_the_effect_is_recovered_where_outcomes_or_propensities_are_right(outcomes: bool, chances: bool) -> None:
    world = World(20000, seed=1)
    found = treatment_scores(NUMBER, world.labels, world.predicted(outcomes=outcomes, chances=chances), resamples=50)
    effect = found["effects"]["drug"]
    assert effect["effect"]["value"] == pytest.approx(0.3, abs=0.2)
    assert effect["raw_difference"]["value"] > 1.5
    both_wrong = treatment_scores(NUMBER, world.labels, world.predicted(outcomes=False, chances=False), resamples=2)
    assert abs(both_wrong["effects"]["drug"]["effect"]["value"] - 0.3) > 1


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_policy_is_worth_more_than_any_single_arm_and_its_value_is_the_true_one(higher: bool) -> None:
    world = World(20000, seed=2)
    target = Target("treatment", NUMBER.classes, outcomes=("score",), higher_is_better=higher)
    found = treatment_scores(target, world.labels, world.predicted(outcomes=True, chances=True), resamples=50)
    values = {name: each["value"] for name, each in found["policies"].items()}
    best = world.under.max(axis=1) if higher else world.under.min(axis=1)
    assert values["advised"] == pytest.approx(best.mean(), abs=0.05)
    assert values["all drug"] == pytest.approx(world.under[:, 1].mean(), abs=0.08)
    assert values["as seen"] == pytest.approx(world.labels[:, 1].mean())
    assert found["best_single_arm"] == ("drug" if higher else "placebo")
    gain = found["gain"]["over_best_single_arm"]
    single = world.under[:, 1].mean() if higher else world.under[:, 0].mean()
    assert gain["value"] == pytest.approx(abs(best.mean() - single), abs=0.05) and gain["ci95"][0] > 0
    assert sum(found["advised_share"].values()) == pytest.approx(1)


def test_intervals_of_the_effect_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        world = World(300, seed=seed)
        found = treatment_scores(NUMBER, world.labels, world.predicted(outcomes=True, chances=True), resamples=200)
        low, high = found["effects"]["drug"]["effect"]["ci95"]
        held += low <= 0.3 <= high
    assert held >= 51


def test_overlap_is_poor_where_an_arm_was_hardly_ever_given_to_many_rows() -> None:
    world = World(2000, seed=3)
    predicted = world.predicted(outcomes=True, chances=True)
    fine = treatment_scores(NUMBER, world.labels, predicted, resamples=2)["overlap"]
    assert not fine["poor"] and fine["auroc"]["value"] > 0.6
    sharp = predicted.copy()
    sharp[:, 3] = 1 / (1 + np.exp(-6 * world.features[:, 0]))
    sharp[:, 2] = 1 - sharp[:, 3]
    bad = treatment_scores(NUMBER, world.labels, sharp, resamples=2)["overlap"]
    assert bad["poor"] and bad["rows_with_an_unlikely_arm"] > 0.4
    assert bad["arms"]["drug"]["effective_rows"] < fine["arms"]["drug"]["effective_rows"]
    assert bad["arms"]["drug"]["rows"] == world.labels[:, 0].sum()


def test_equal_weights_are_worth_as_many_rows_as_there_are() -> None:
    assert effective_rows(np.full(7, 0.5)) == pytest.approx(7)
    assert effective_rows(np.array([0.01, 1.0, 1.0])) == pytest.approx(102**2 / (100**2 + 2))
    assert effective_rows(np.empty(0)) == 0


# ---- metrics


def test_metrics_are_of_the_arm_that_was_given() -> None:
    labels = np.array([[0, 1.0], [1, 4.0]])
    predicted = np.array([[2.0, 50.0, 0.8, 0.2], [-9.0, 5.0, 0.4, 0.6]])
    assert point(NUMBER, labels, predicted, "factual_loss") == pytest.approx((0.25 + 0.25) / 2)
    assert point(NUMBER, labels, predicted, "factual_mae") == pytest.approx(1.0)
    assert np.isnan(point(NUMBER, labels, predicted, "factual_auroc"))
    assert point(NUMBER, labels, predicted, "propensity_loss") == pytest.approx(-np.log([0.8, 0.6]).mean())
    chances = np.array([[0.9, 0.1, 0.5, 0.2, 0.3, 0.5], [0.5, 0.5, 0.3, 0.2, 0.3, 0.5]])
    found = point(CLASS, np.array([[0, 1.0], [2, 0.0]]), chances, "factual_loss")
    assert found == pytest.approx(-np.log([0.9, 0.7]).mean())


def test_a_whole_weight_counts_a_row_so_many_times_over() -> None:
    world = World(40, seed=4)
    predicted, weights = world.predicted(outcomes=True, chances=True), np.random.default_rng(0).integers(0, 3, (1, 40))
    rows = np.repeat(np.arange(40), weights[0])
    for name in set(metric_names("treatment")) - {"factual_auroc", "policy_gain"}:
        weighted = measure(NUMBER, name, world.labels, predicted, weights.astype(float))[0]
        assert weighted == pytest.approx(point(NUMBER, world.labels[rows], predicted[rows], name))


def test_models_are_chosen_by_what_came_of_the_arms_given_and_not_by_a_policy() -> None:
    assert fallback("treatment") == "factual_loss" and not GREATER_IS_BETTER["factual_loss"]


@pytest.mark.parametrize(
    ("labels", "predicted", "word"),
    [
        (np.zeros(3), np.ones((3, 4)), "shape"),
        (np.array([[2.0, 1.0]]), np.ones((1, 4)), "positions of arms"),
        (np.array([[1.0, np.nan]]), np.ones((1, 4)), "finite outcomes"),
        (np.array([[1.0, 0.0]]), np.ones((1, 2)), "must be \\(1, 4\\)"),
    ],
)
def test_labels_and_predictions_that_do_not_fit_are_refused(labels: Any, predicted: Any, word: str) -> None:
    with pytest.raises(DataError, match=word):
        estimate(NUMBER, labels, predicted, ["factual_loss"], resamples=2)


# ---- heads


def test_heads_of_each_arm_find_the_effect_that_the_raw_difference_does_not() -> None:
    train, validation, test = (World(rows, seed) for rows, seed in ((1500, 5), (300, 6), (6000, 7)))
    head = fit_t_learner(
        train.features,
        train.labels,
        validation.features,
        validation.labels,
        NUMBER,
        metric="factual_loss",
        standardise=True,
    )
    predicted = head_probabilities(head, test.features, NUMBER)
    np.testing.assert_allclose(predicted[:, :2], test.under, atol=0.5)
    np.testing.assert_allclose(predicted[:, 3], test.chance, atol=0.1)
    effect = treatment_scores(NUMBER, test.labels, predicted, resamples=2)["effects"]["drug"]
    assert effect["effect"]["value"] == pytest.approx(0.3, abs=0.15) and effect["raw_difference"]["value"] > 1.5


def test_an_arms_head_knows_its_own_rows_alone() -> None:
    rng = np.random.default_rng(8)
    features, arms = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    labels = np.column_stack([arms, rng.integers(0, 2, 300)]).astype(float)
    data = {"metric": "factual_loss", "standardise": True, "strengths": (1.0,)}
    one = fit_t_learner(features, labels, features, labels, CLASS, **data)
    other = labels.copy()
    other[arms == 2, 1] = 1 - other[arms == 2, 1]
    two = fit_t_learner(features, other, features, other, CLASS, **data)
    assert one.weight.shape == (6, 3) and one.bias.shape == (6,)
    np.testing.assert_array_equal(one.weight[[0, 1, 3, 4, 5]], two.weight[[0, 1, 3, 4, 5]])
    np.testing.assert_allclose(one.weight[2], -two.weight[2], atol=1e-3)


def test_the_constant_baseline_has_each_arms_mean_and_frequency() -> None:
    labels = np.array([[0, 1.0], [0, 3.0], [1, 5.0], [0, 2.0]])
    np.testing.assert_allclose(majority(labels, NUMBER, 2), [[2.0, 5.0, 0.75, 0.25]] * 2)
