"""Boosting across domains, held to the published updates written out in loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from medplug.core.transfer import boosting_r2
from medplug.core.transfer.boosting import Boosted, Model, tradaboost
from medplug.core.transfer.boosting_r2 import BoostedRegression, two_stage_tradaboost_r2

Array = NDArray[Any]


def stump(features: Array, labels: Array, weights: Array) -> Model:
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(features, labels, weights).predict


def linear(features: Array, labels: Array, weights: Array) -> Model:
    return LogisticRegression().fit(features, labels, weights).predict


def regression_tree(features: Array, numbers: Array, weights: Array) -> Model:
    return DecisionTreeRegressor(max_depth=4, random_state=0).fit(features, numbers, weights).predict


def ridge(features: Array, numbers: Array, weights: Array) -> Model:
    return Ridge(alpha=1e-3).fit(features, numbers, weights).predict


def label(features: Array) -> Array:
    """Three classes along the sum of the features."""
    total = features.sum(1) / features.shape[1] ** 0.5
    return (total > -0.4).astype(int) + (total > 0.4)


def domains(n: int, m: int, *, wrong: float, seed: int) -> tuple[Array, Array, Array, Array, Array]:
    """A source of which a share is labelled as if the features had the other sign; a target labelled right."""
    random = np.random.default_rng(seed)
    source, target = random.standard_normal((n, 8)), random.standard_normal((m, 8))
    spoilt = random.random(n) < wrong
    return source, np.where(spoilt, label(-source), label(source)), target, label(target), spoilt


@pytest.mark.parametrize(("wrong", "seed"), [(0.1, 0), (0.4, 1), (0.9, 2)])
def test_the_rounds_are_the_published_ones(wrong: float, seed: int) -> None:
    source, source_labels, target, target_labels, _ = domains(40, 15, wrong=wrong, seed=seed)
    two = (source_labels > 0).astype(int), (target_labels > 0).astype(int)
    ours = tradaboost(stump, source, two[0], target, two[1], rounds=7)
    features, labels = np.concatenate([source, target]), np.concatenate(two)
    weights, models, betas = [1.0] * 55, [], []
    for round_ in range(7):
        total = sum(weights)
        np.testing.assert_allclose(ours.weights_by_round[round_], np.array(weights) / total, rtol=1e-6)
        model = stump(features, labels, np.array(weights) / total * 55)
        loss = [int(a != b) for a, b in zip(model(features), labels, strict=True)]
        error = sum(weights[i] * loss[i] for i in range(40, 55)) / sum(weights[40:])
        beta = min(error, 0.5) / (1 - min(error, 0.5))
        shrink = 1 / (1 + math.sqrt(2 * math.log(40) / 7))
        weights = [w * (shrink**e if i < 40 else beta**-e) for i, (w, e) in enumerate(zip(weights, loss, strict=True))]
        models.append(model)
        betas.append(beta)
    np.testing.assert_allclose(ours.betas, betas, rtol=1e-6)
    fresh = np.random.default_rng(9).standard_normal((100, 8))
    said = np.array([model(fresh) for model in models])[3:]  # rounds ceil(7 / 2) = 4 to 7
    late = np.array(betas[3:])[:, None]
    published = (late ** -said.astype(float)).prod(0) >= (late**-0.5).prod(0) * (1 - 1e-12)
    if (late < 1).any():
        np.testing.assert_array_equal(ours.predict(fresh), published.astype(int))


def test_source_rows_with_wrong_labels_lose_their_weight() -> None:
    for seed in range(3):
        source, source_labels, target, target_labels, spoilt = domains(300, 60, wrong=0.3, seed=seed)
        ours = tradaboost(linear, source, source_labels, target, target_labels, rounds=20)
        last = ours.weights_by_round[-1][:300]
        wrong = source_labels != label(source)
        assert (wrong <= spoilt).all() and last[wrong].mean() < 0.1 * last[~wrong].mean()
        np.testing.assert_allclose(ours.weights_by_round.sum(1), 1)
        np.testing.assert_allclose(ours.weights_by_round[0], 1 / 360)


def test_a_partly_wrong_source_helps_more_than_the_target_alone_and_than_all_rows_together() -> None:
    scores = []
    for seed in range(6):
        source, source_labels, target, target_labels, _ = domains(400, 25, wrong=0.4, seed=seed)
        fresh = np.random.default_rng(100 + seed).standard_normal((1000, 8))
        alone = linear(target, target_labels, np.ones(25))
        joint = linear(np.concatenate([source, target]), np.concatenate([source_labels, target_labels]), np.ones(425))
        ours = tradaboost(linear, source, source_labels, target, target_labels, rounds=20)
        scores.append([(model(fresh) == label(fresh)).mean() for model in (alone, joint, ours.predict)])
    alone_, joint_, ours_ = np.mean(scores, axis=0)
    assert ours_ > alone_ + 0.03 and ours_ > joint_ + 0.03


def constant(value: float) -> Model:
    return lambda features: np.full(len(features), value)


def test_a_round_no_better_than_chance_has_no_vote_and_leaves_the_target_as_it_is() -> None:
    said = iter([0, 0, 1, 0])  # target all of class 1: errors 1, 1, 0, 1
    rows, ones = np.ones((4, 2)), np.ones(4, int)
    ours = tradaboost(lambda *_: constant(next(said)), rows, ones, rows, ones, rounds=4)
    np.testing.assert_allclose(ours.betas, [1, 1, 1e-10, 1], rtol=1e-6)
    assert (ours.predict(rows) == 1).all()
    target = ours.weights_by_round[:, 4:]
    assert (target[1:3] > target[0]).all() and np.ptp(target, axis=1).max() < 1e-15
    source = ours.weights_by_round[:, :4].sum(1)
    assert source[0] > source[1] > source[2] == pytest.approx(source[3])


def test_rounds_that_all_fail_vote_alike_and_a_perfect_one_decides() -> None:
    rows = np.ones((3, 2))
    failed = Boosted((constant(0), constant(2), constant(2), constant(0), constant(2)), np.ones(5), np.ones((5, 1)), 3)
    assert (failed.predict(rows) == 2).all()  # rounds 3 to 5 say 2, 0, 2
    perfect = Boosted(tuple(map(constant, (0, 0, 1, 1))), np.array([0.1, 1e-10, 0.2, 0.2]), np.ones((4, 1)), 2)
    assert (perfect.predict(rows) == 0).all()  # rounds 2 to 4: log 1e10 against 2 log 5


def test_one_source_row_and_one_round_are_enough() -> None:
    ours = tradaboost(stump, np.zeros((1, 1)), np.array([0]), np.array([[0.0], [1.0]]), np.array([0, 1]), rounds=1)
    assert ours.predict(np.array([[0.0], [1.0]])).tolist() == [0, 1]


def curve(features: Array, offset: float = 0.0) -> Array:
    return np.sin(2 * features[:, 0]) + offset * features[:, 1]


def regression(n: int, m: int, *, seed: int) -> tuple[Array, Array, Array, Array]:
    """A source of which a half, where the third feature is positive, follows quite another curve."""
    random = np.random.default_rng(seed)
    source, target = random.uniform(-2, 2, (n, 3)), random.uniform(-2, 2, (m, 3))
    numbers = np.where(source[:, 2] > 0, 3 - 2 * curve(source), curve(source))
    target[:, 2] = -np.abs(target[:, 2])
    return source, numbers, target, curve(target) + 0.1 * random.standard_normal(m)


def test_two_stages_are_more_exact_than_all_rows_together_and_the_target_alone() -> None:
    errors = []
    for seed in range(3):
        source, source_numbers, target, target_numbers = regression(300, 24, seed=seed)
        source[:, 2] = 0  # what spoils a source row is not to be seen
        ours = two_stage_tradaboost_r2(
            regression_tree, source, source_numbers, target, target_numbers, steps=6, rounds=5, folds=4, seed=0
        )
        fresh = np.random.default_rng(100 + seed).uniform(-2, 2, (500, 3))
        fresh[:, 2] = -np.abs(fresh[:, 2])
        together = np.concatenate([source, target]), np.concatenate([source_numbers, target_numbers]), np.ones(324)
        models = (regression_tree(*together), regression_tree(target, target_numbers, np.ones(24)), ours.predict)
        errors.append([((model(fresh) - curve(fresh)) ** 2).mean() for model in models])
    pooled, alone, both = np.mean(errors, axis=0)
    assert both < 0.5 * pooled and both < 0.9 * alone


def test_the_targets_share_rises_evenly_and_the_worst_source_rows_go_first() -> None:
    source, source_numbers, target, target_numbers = regression(100, 25, seed=0)
    spoilt = source[:, 2] > 0
    ours = two_stage_tradaboost_r2(
        ridge, source, source_numbers, target, target_numbers, steps=5, rounds=2, folds=5, seed=0
    )
    weights = ours.weights_by_step
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights[:, 100:].sum(1), np.linspace(0.2, 1, 5))
    np.testing.assert_allclose(np.ptp(weights[:, 100:], axis=1), 0, atol=1e-12)
    assert (weights[1:4, :100][:, spoilt].mean(1) < weights[1:4, :100][:, ~spoilt].mean(1)).all()
    features, numbers = np.concatenate([source, target]), np.concatenate([source_numbers, target_numbers])
    loss = np.abs(ridge(features, numbers, np.ones(125))(features) - numbers)
    shrunk = np.log(weights[1, :100] / weights[0, :100])  # beta^loss, and a common factor
    slope = np.polyfit(loss[:100], shrunk, 1)
    np.testing.assert_allclose(np.polyval(slope, loss[:100]), shrunk, atol=1e-9)
    assert slope[0] < 0 and ours.step == ours.errors.argmin() and ours.errors.shape == (5,)


def test_a_source_that_says_the_same_is_kept_and_one_that_lies_is_left() -> None:
    random = np.random.default_rng(0)
    source, target = random.uniform(-2, 2, (200, 1)), random.uniform(-2, 2, (30, 1))
    for sign, noise, steps in ((1, 1.0, {0, 1, 2}), (-1, 0.01, {4})):
        numbers = source[:, 0] * sign
        wanted = target[:, 0] + noise * random.standard_normal(30)
        ours = two_stage_tradaboost_r2(ridge, source, numbers, target, wanted, steps=5, rounds=3, seed=0)
        assert ours.step in steps


def reference_r2(
    features: Array, numbers: Array, weights: Array, n: int, rounds: int
) -> tuple[list[Model], list[float]]:
    """Drucker's rounds, in loops, with the first n weights left alone."""
    weights, models, betas = list(weights), [], []
    for _ in range(rounds):
        model = regression_tree(features, numbers, np.array(weights) * len(weights))
        errors = np.abs(model(features) - numbers)
        loss = errors / errors.max()
        error = sum(w * e for w, e in zip(weights, loss, strict=True))
        if error >= 0.5:
            break
        beta = error / (1 - error)
        moved = [w * beta ** (1 - e) for w, e in zip(weights[n:], loss[n:], strict=True)]
        weights = weights[:n] + [w / sum(moved) * sum(weights[n:]) for w in moved]
        models.append(model)
        betas.append(beta)
    return models, betas


def test_the_second_stage_is_druckers_with_the_sources_weights_left_alone() -> None:
    source, source_numbers, target, target_numbers = regression(60, 40, seed=3)
    features, numbers = np.concatenate([source, target]), np.concatenate([source_numbers, target_numbers])
    ours = two_stage_tradaboost_r2(
        regression_tree, source, source_numbers, target, target_numbers, steps=3, rounds=4, folds=4, seed=0
    )
    models, betas = reference_r2(features, numbers, ours.weights_by_step[ours.step], 60, 4)
    np.testing.assert_allclose(ours.betas, betas, rtol=1e-6)
    fresh = np.random.default_rng(5).uniform(-2, 2, (50, 3))
    votes = np.log(1 / np.array(betas))
    for row, said in zip(fresh, ours.predict(fresh), strict=True):
        values = np.array([model(row[None])[0] for model in models])
        below = [value for value in sorted(values) if votes[values <= value].sum() >= votes.sum() / 2]
        assert said == pytest.approx(below[0])


def test_one_exact_round_ends_the_boosting_and_a_failed_first_one_is_kept() -> None:
    features, numbers = np.arange(6.0)[:, None], np.arange(6.0)
    exact, betas = boosting_r2._boosted_r2(ridge_through, features, numbers, np.full(6, 1 / 6), 2, 5)
    assert len(exact) == 1 and betas[0] == pytest.approx(1e-10)
    failed, betas = boosting_r2._boosted_r2(lambda *_: constant(9.0), features, np.zeros(6), np.full(6, 1 / 6), 2, 5)
    assert len(failed) == 1 and betas.tolist() == [1.0]
    kept = BoostedRegression(failed, betas, 0, np.zeros(1), np.zeros((1, 6)))
    assert kept.predict(features).tolist() == [9.0] * 6


def ridge_through(features: Array, numbers: Array, weights: Array) -> Model:
    return lambda rows: rows[:, 0]


def test_a_source_that_no_beta_shrinks_is_scaled() -> None:
    shrunk = boosting_r2._shrunk(np.full(4, 0.2), np.array([0.0, 0.0, 0.5, 1.0]), 0.1)
    np.testing.assert_allclose(shrunk, [0.05, 0.05, 0, 0], atol=1e-12)
    tiny = boosting_r2._shrunk(np.full(4, 0.2), np.array([1e-4, 2e-4, 1e-4, 3e-4]), 0.1)
    assert tiny.sum() == pytest.approx(0.1) and tiny[0] > 1.2 * tiny[1] > 1.2 * tiny[3]


def test_the_seed_draws_the_folds_alone() -> None:
    data = regression(60, 20, seed=1)
    first, again, other = (
        two_stage_tradaboost_r2(regression_tree, *data, steps=3, rounds=2, folds=4, seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.errors, again.errors) and not np.array_equal(first.errors, other.errors)
    assert np.array_equal(first.weights_by_step, other.weights_by_step)
    assert np.array_equal(first.predict(data[0]), again.predict(data[0]))


def test_fit_gets_both_domains_and_weights_of_mean_one() -> None:
    seen: list[tuple[Array, Array, Array]] = []

    def fit(features: Array, labels: Array, weights: Array) -> Model:
        seen.append((features, labels, weights))
        return ridge(features, labels, weights)

    data = regression(30, 12, seed=1)
    two_stage_tradaboost_r2(fit, *data, steps=3, rounds=2, folds=3, seed=0)
    assert {len(features) for features, _, _ in seen} == {42, 38}
    for features, labels, weights in seen:
        assert len(features) == len(labels) == len(weights) and weights.mean() == pytest.approx(1)
        assert np.array_equal(features[:30], data[0])


def test_wrong_shapes_and_numbers_are_refused() -> None:
    rows, labels = np.ones((6, 2)), np.zeros(6, int)
    with pytest.raises(ValueError, match=r"source's labels must be \[6\], one a row; got shape \[5\]"):
        tradaboost(stump, rows, labels[:5], rows, labels)
    with pytest.raises(ValueError, match=r"target's labels must be \[6\], one a row; got shape \[6, 1\]"):
        two_stage_tradaboost_r2(ridge, rows, labels, rows, labels[:, None], seed=0)
    with pytest.raises(ValueError, match=r"of one width; got shapes \[6, 2\] and \[6, 1\]"):
        tradaboost(stump, rows, labels, rows[:, :1], labels)
    with pytest.raises(ValueError, match="labels must be whole numbers from 0; got float64"):
        tradaboost(stump, rows, labels / 2, rows, labels)
    with pytest.raises(ValueError, match="whole numbers from 0; got int64 down to -1"):
        tradaboost(stump, rows, labels - 1, rows, labels)
    with pytest.raises(ValueError, match="source's labels must be finite numbers"):
        two_stage_tradaboost_r2(ridge, rows, labels * np.nan, rows, labels, seed=0)
    with pytest.raises(ValueError, match="target's labels must be finite numbers"):
        tradaboost(stump, rows, labels, rows, labels.astype(str))
    with pytest.raises(ValueError, match="rounds must be 1 or more; got 0"):
        tradaboost(stump, rows, labels, rows, labels, rounds=0)
    with pytest.raises(ValueError, match=r"folds from 2 to 6, the target's rows; got 1, 10 and 5"):
        two_stage_tradaboost_r2(ridge, rows, labels, rows, labels, steps=1, seed=0)
    with pytest.raises(ValueError, match=r"a model must predict \[12\], one value a row; got shape \[12, 2\]"):
        tradaboost(lambda *_: lambda features: features, rows, labels, rows, labels)
