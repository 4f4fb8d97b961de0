"""Boosted trees: what they learn, how they are chosen, and what becomes of classes that training lacks."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation import trees
from medplug.core.evaluation.scores import point
from medplug.core.evaluation.trees import boosted_trees

BINARY = Target("binary", ("no", "yes"))
THREE = Target("multiclass", ("a", "b", "c"))
LABELS = Target("multilabel", ("x", "y", "z"))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(trees, "ROUNDS", (5, 20))
    monkeypatch.setattr(trees, "LEAVES", (4,))


def crossed(rows=300, seed=0):
    """Numbers with gaps and a code; the label is an exclusive or, which no linear model learns."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, 4))
    matrix[:, 3] = generator.integers(0, 3, size=rows)
    labels = ((matrix[:, 0] > 0) ^ (matrix[:, 3] == 1)).astype(np.int64)
    matrix[generator.random(rows) < 0.1, 1] = np.nan
    return matrix, labels


def grow(target, matrix, labels, metric="accuracy", seed=0, test=None, **options):
    parts = matrix[:180], labels[:180], matrix[180:240], labels[180:240], matrix[240:] if test is None else test
    codes = options.get("categorical", np.arange(matrix.shape[1]) == matrix.shape[1] - 1)
    return boosted_trees(*parts, target, metric, seed, categorical=codes)


def test_they_learn_what_no_linear_model_does():
    matrix, labels = crossed()
    probabilities, notes = grow(BINARY, matrix, labels)
    assert point(BINARY, labels[240:], probabilities, "accuracy") > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert json.loads(json.dumps(notes)) == notes


def test_the_setting_is_the_best_on_validation():
    matrix, labels = crossed()
    _, notes = grow(BINARY, matrix, labels, metric="log_loss")
    assert len(notes["tried"]) == 2 * 1 * 2
    assert notes["validation"]["log_loss"] == min(notes["tried"].values())
    assert notes["tried"]["{learning rate:g} {leaves} {rounds}".format(**notes)] == min(notes["tried"].values())


def test_test_rows_change_nothing():
    matrix, labels = crossed()
    probabilities, notes = grow(BINARY, matrix, labels)
    one, same = grow(BINARY, matrix, labels, test=matrix[250:251])
    assert same == notes and np.array_equal(one[0], probabilities[10])


def test_a_class_that_training_lacks_is_never_likely():
    matrix, labels = crossed()
    probabilities, _ = grow(THREE, matrix, labels * 2)
    assert (probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(probabilities[:, [0, 2]], grow(BINARY, matrix, labels)[0])


def test_a_single_class_in_training_is_predicted_for_every_row():
    matrix, labels = crossed()
    labels[:180] = 1
    probabilities, _ = grow(BINARY, matrix, labels)
    assert (probabilities == [0, 1]).all()


def test_each_label_has_trees_of_its_own_and_a_constant_one_its_prior():
    matrix, labels = crossed()
    several = np.stack([labels, np.ones_like(labels), np.zeros_like(labels)], axis=1)
    probabilities, _ = grow(LABELS, matrix, several, metric="log_loss")
    np.testing.assert_allclose(probabilities[:, 0], grow(BINARY, matrix, labels, metric="log_loss")[0][:, 1])
    assert np.allclose(probabilities[:, 1], 181 / 182) and np.allclose(probabilities[:, 2], 1 / 182)


def test_numbers_are_predicted_in_their_own_unit():
    matrix, _ = crossed()
    labels = 1000 + 50 * np.sign(matrix[:, 0]) * (matrix[:, 3] == 1)
    target = Target.numeric("dose", labels[:180].tolist())
    predicted, _ = grow(target, matrix, labels, metric="mae")
    assert predicted.shape == (60, 1) and point(target, labels[240:], predicted, "mae") < 15


def test_where_the_metric_is_undefined_log_loss_chooses():
    matrix, labels = crossed()
    labels[180:240] = 0
    assert list(grow(BINARY, matrix, labels, metric="auroc")[1]["validation"]) == ["log_loss"]


def test_of_a_wide_table_the_columns_that_tell_most_are_read(monkeypatch):
    monkeypatch.setattr(trees, "MOST_NUMBERS", 2)
    generator = np.random.default_rng(1)
    wide = generator.normal(size=(300, 40))
    wide[:, 39] = 0
    labels = (wide[:, 17] > 0).astype(np.int64)
    wide[5, 17] = np.nan
    read = trees._most_telling(wide[:180], labels[:180], BINARY, np.arange(40) == 39)
    assert len(read) == 3 and {17, 39} <= set(read.tolist())
    assert point(BINARY, labels[240:], grow(BINARY, wide, labels)[0], "accuracy") > 0.95


def test_growing_repeats_and_leaves_warnings_and_the_global_generator_alone():
    matrix, labels = crossed()
    before, filters = np.random.get_state()[1].copy(), list(warnings.filters)
    first, again = grow(BINARY, matrix, labels)[0], grow(BINARY, matrix, labels)[0]
    assert np.array_equal(first, again)
    assert (np.random.get_state()[1] == before).all() and warnings.filters == filters


def test_a_setting_cannot_be_chosen_on_nothing():
    matrix, labels = crossed()
    with pytest.raises(DataError, match="validation rows"):
        boosted_trees(
            matrix, labels, matrix[:0], labels[:0], matrix, BINARY, "auroc", 0, categorical=np.zeros(4, dtype=bool)
        )


def test_a_column_of_one_value_tells_by_its_gaps_and_one_without_any_is_no_trouble():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, size=300)
    telling, empty, same = np.where(labels == 1, 3.0, np.nan), np.full(300, np.nan), np.ones(300)
    plain = {"categorical": np.zeros(3, dtype=bool)}
    probabilities, _ = grow(BINARY, np.column_stack([empty, telling, same]), labels, **plain)
    assert (probabilities.argmax(axis=1) == labels[240:]).all()
    probabilities, notes = grow(BINARY, np.column_stack([empty, empty, same]), labels, **plain)
    assert (probabilities == probabilities[0]).all() and notes["rounds"] == 0


def meeting(rows=1500, seed=0):
    """What counts is which row and which column meet: a random sign for each of 20 x 20, and their codes as numbers."""
    generator = np.random.default_rng(seed)
    signs = generator.choice([-1.0, 1.0], (20, 20))
    first, second = generator.integers(0, 20, (2, rows))
    return np.column_stack([first, second]).astype(float), (signs[first, second] > 0).astype(np.int64)


def test_deep_trees_learn_what_takes_many_leaves(monkeypatch):
    monkeypatch.setattr(trees, "DEEP", ((0.1,), (64,), (20, 100)))
    matrix, labels = meeting()
    parts = matrix[:1100], labels[:1100], matrix[1100:1300], labels[1100:1300], matrix[1300:], BINARY, "auroc", 0
    plain = {"categorical": np.zeros(2, dtype=bool)}
    (shallow, _), (deep, notes) = (boosted_trees(*parts, **plain, deep=each) for each in (False, True))
    assert point(BINARY, labels[1300:], deep, "auroc") > point(BINARY, labels[1300:], shallow, "auroc") + 0.1
    assert list(notes["tried"]) == ["0.1 64 20", "0.1 64 100"] and "training rows" not in notes


def test_deep_trees_read_no_more_than_the_most_rows_and_say_so(monkeypatch):
    monkeypatch.setattr(trees, "DEEP", ((0.1,), (8,), (20, 100)))
    monkeypatch.setattr(trees, "MOST_ROWS", 200)
    matrix, labels = meeting()
    parts = matrix[:1100], labels[:1100], matrix[1100:1300], labels[1100:1300], matrix[1300:], BINARY, "auroc", 0
    _, notes = boosted_trees(*parts, categorical=np.zeros(2, dtype=bool), deep=True)
    assert notes["training rows"] == 200 and list(notes["tried"]) == ["0.1 8 20"]  # few rows, few rounds
