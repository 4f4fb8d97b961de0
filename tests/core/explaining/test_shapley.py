"""Shapley values against every order walked plainly, and their properties."""

from itertools import permutations

import numpy as np
import pytest

from medplug.core.explaining.shapley import shares

ROWS = np.random.default_rng(0)


def game_of(predict, row, background):
    return lambda kept, places: predict(np.where(kept, row, background[places]))


def bent(rows):
    return np.tanh(rows[:, 0] * rows[:, 1]) + rows[:, -1] ** 2 - 0.5 * rows[:, 0]


def plainly(predict, row, background):
    """The mean of what each part adds, over every order and every row of the background, one by one."""
    added = np.zeros(len(row))
    orders = list(permutations(range(len(row))))
    for order in orders:
        for other in background:
            mixed = other.copy()
            for part in order:
                before = predict(mixed[None])[0]
                mixed[part] = row[part]
                added[part] += predict(mixed[None])[0] - before
    return added / (len(orders) * len(background))


def left_over(found):
    """What the values fail to add up to."""
    return found.predicted - found.usual - found.values.sum()


def test_few_parts_have_the_values_of_all_orders_walked_plainly():
    row, background = ROWS.normal(size=4), ROWS.normal(size=(5, 4))
    found = shares(game_of(bent, row, background), 4, 5, asked=1)
    np.testing.assert_allclose(found.values, plainly(bent, row, background), atol=1e-12)
    assert not found.errors.any()
    assert left_over(found) == pytest.approx(0, abs=1e-12)


def test_sampled_values_lie_within_their_errors_of_the_exact_ones():
    row, background = ROWS.normal(size=7), ROWS.normal(size=(3, 7))
    exact = plainly(bent, row, background)
    found = shares(game_of(bent, row, background), 7, 3, asked=4000)
    assert (np.abs(found.values - exact) <= 4 * found.errors + 1e-9).all()
    assert found.errors.max() < 0.5


def test_the_values_of_a_sum_are_each_columns_own_distance_from_the_mean_whatever_is_sampled():
    slopes, row, background = np.arange(1.0, 21), ROWS.normal(size=20), ROWS.normal(size=(8, 20))
    found = shares(game_of(lambda rows: rows @ slopes, row, background), 20, 8, asked=8 * 2 * 21)
    np.testing.assert_allclose(found.values, slopes * (row - background.mean(axis=0)), atol=1e-9)
    assert left_over(found) == pytest.approx(0, abs=1e-9)


def test_values_add_up_to_the_prediction_less_the_usual_one_where_each_background_row_is_walked_from():
    row, background = ROWS.normal(size=12), ROWS.normal(size=(6, 12))
    found = shares(game_of(bent, row, background), 12, 6, asked=6 * 2 * 13)
    assert found.predicted == bent(row[None])[0]
    assert found.usual == pytest.approx(bent(background).mean())
    assert left_over(found) == pytest.approx(0, abs=1e-9)


def test_a_part_that_the_model_does_not_read_has_no_value_and_equal_parts_have_equal_ones():
    row, background = np.ones(8), np.zeros((4, 8))
    found = shares(game_of(lambda rows: rows[:, 0] * rows[:, 1], row, background), 8, 4, asked=20_000)
    assert not found.values[2:].any()
    np.testing.assert_allclose(found.values[:2], 0.5)  # walks there and back: exactly even


def test_what_is_left_over_tells_of_a_background_that_was_thinned():
    row, background = ROWS.normal(size=30), 10 * ROWS.normal(size=(50, 30))
    found = shares(game_of(bent, row, background), 30, 50, asked=1)
    assert abs(left_over(found)) > 1e-3
