"""Margins into probabilities: the order of rows stays, the log loss falls, and few rows make nothing certain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from medplug.core.adapter import FitData, LinearHead
from medplug.core.data.targets import Target
from medplug.core.evaluation.calibrated import SCALES, calibrated, calibrated_choice
from medplug.core.evaluation.linear import head_probabilities
from medplug.core.evaluation.scores import point

TARGETS = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
}


@pytest.fixture(params=TARGETS)
def target(request):
    return TARGETS[request.param]


def some_data(target, rows=200, noise=1.0, seed=0):
    """Labels drawn by noisy scores, which are the first features."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(2 * rows, 4)).astype(np.float32)
    scores = features[:, : target.outputs] + noise * draw.normal(size=(2 * rows, target.outputs))
    labels = scores.argmax(1) if target.kind == "multiclass" else (scores > 0).astype(np.int64)
    labels = labels[:, 0] if target.kind == "binary" else labels
    return FitData(
        features[:rows], labels[:rows], features[rows:], labels[rows:], target, "accuracy", {"none": None}, 0
    )


def scores_head(target, size=1.0, bias=0.0):
    return LinearHead(size * np.eye(4)[: target.outputs], np.full(target.outputs, bias))


def log_loss(head, data):
    chances = head_probabilities(head, data.validation_features, data.target)
    return point(data.target, data.validation_labels, chances, "log_loss")


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 40.0])
@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_the_order_of_rows_never_changes_and_the_log_loss_falls(size, bias, target):
    data = some_data(target)
    head = scores_head(target, size, bias * size)
    found = calibrated(head, data)
    rows = np.random.default_rng(9).normal(size=(300, 4))
    before, after = (rows @ each.weight.T + each.bias for each in (head, found))
    assert np.array_equal(before.argsort(0), after.argsort(0)) and np.array_equal(before.argmax(1), after.argmax(1))
    scale = np.linalg.norm(found.weight) / np.linalg.norm(head.weight)
    shift = after - scale * before
    np.testing.assert_allclose(found.weight, scale * head.weight)
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-9)
    assert scale > 0 and log_loss(found, data) <= log_loss(head, data) + 1e-3


def test_the_result_does_not_depend_on_the_units_of_the_margins(target):
    data = some_data(target)
    found = [calibrated(scores_head(target, size), data) for size in (0.01, 1.0, 100.0)]
    for each in found[1:]:
        np.testing.assert_allclose(each.weight, found[0].weight, rtol=0.01, atol=1e-3)


def test_the_scale_is_that_of_the_least_softened_log_loss():
    data = some_data(TARGETS["multiclass"], rows=40)
    head = scores_head(data.target)
    logits, labels = data.validation_features.astype(float), data.validation_labels
    counts = np.bincount(labels, minlength=3)

    def loss(log_scale):
        total = 0.0
        for row, label in zip(np.exp(log_scale) * logits[:, :3], labels, strict=True):
            chances = np.exp(row) / np.exp(row).sum()
            truth = [(counts[label] * (c == label) + 1) / (counts[label] + 3) for c in range(3)]
            total -= sum(t * np.log(p) for t, p in zip(truth, chances, strict=True))
        return total / len(labels)

    best = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-8}).x
    assert calibrated(head, data).weight[0, 0] == pytest.approx(np.exp(best), rel=1e-3)


def test_of_a_binary_margin_it_is_platts_sigmoid():
    data = some_data(TARGETS["binary"], rows=60)
    found = calibrated(scores_head(data.target, 1.0, 1.0), data)
    margins = data.validation_features[:, 0].astype(float) + 1
    positive = data.validation_labels == 1
    many, few = positive.sum(), (~positive).sum()
    truth = np.where(positive, (many + 1) / (many + 2), 1 / (few + 2))

    def loss(scale, shift):
        chances = 1 / (1 + np.exp(-scale * margins - shift))
        return -(truth * np.log(chances) + (1 - truth) * np.log(1 - chances)).mean()

    scale = found.weight[0, 0]
    shift = found.bias[0] - scale
    for other_scale, other_shift in ((1.05, 0), (0.95, 0), (1, 0.05), (1, -0.05)):
        assert loss(scale, shift) < loss(scale * other_scale, shift + other_shift)


def test_a_few_rows_that_are_all_right_make_nothing_certain(target):
    data = some_data(target, rows=8, noise=0.0)
    found = head_probabilities(calibrated(scores_head(target), data), data.validation_features, target)
    assert found.max() < 0.999 and (target.kind == "multiclass" or found.min() > 0.001)


def test_margins_that_say_nothing_come_to_say_little(target):
    data = some_data(target)
    random = replace(data, validation_features=np.random.default_rng(5).normal(size=(200, 4)).astype(np.float32))
    found = calibrated(scores_head(target, 50.0), random)
    assert np.abs(found.weight).max() < 0.5
    assert np.abs(found.weight).max() >= 50 * SCALES[0] * 0.99


def test_margins_that_are_wrong_are_not_turned_round(target):
    data = some_data(target)
    found = calibrated(scores_head(target, -1.0), data)
    assert (np.diag(found.weight[:, : target.outputs]) < 0).all() and np.abs(found.weight).max() < 0.01


def test_a_class_that_training_lacks_gets_no_probability_even_where_validation_has_it():
    data = some_data(TARGETS["multiclass"])
    few = replace(data, labels=np.where(data.labels == 2, 0, data.labels))
    found = calibrated(scores_head(data.target), few)
    chances = head_probabilities(found, 5 * data.validation_features, data.target)
    assert chances[:, 2].max() == 0 and not found.weight[2].any()
    assert found.weight[0, 0] > 0.05  # and it spoils nothing for the others


def test_constant_margins_become_the_validation_frequencies():
    data = some_data(TARGETS["binary"])
    found = calibrated(LinearHead(np.zeros((1, 4)), np.array([-1.0])), data)
    chances = head_probabilities(found, data.validation_features, data.target)[:, 1]
    assert chances == pytest.approx(data.validation_labels.mean(), abs=0.01)


def test_the_best_head_on_validation_is_kept_and_the_first_of_equal_ones(target):
    data = some_data(target)
    wrong, right = scores_head(target, -1.0), scores_head(target)
    found = calibrated_choice({"wrong": wrong, "right": right, "again": scores_head(target, 2.0)}, "kind", data)
    assert found.notes["kind"] == "right" and set(found.notes["tried"]) == {"wrong", "right", "again"}
    (score,) = found.notes["validation"].values()
    assert score == found.notes["tried"]["right"] == max(found.notes["tried"].values())
    np.testing.assert_array_equal(found.weight, calibrated(right, data).weight)


def test_where_the_metric_is_undefined_log_loss_chooses():
    data = some_data(TARGETS["binary"])
    one_sided = replace(data, validation_labels=np.ones(200, dtype=np.int64), metric="auroc")
    heads = {"weak": scores_head(data.target, 1.0), "high": LinearHead(np.zeros((1, 4)), np.array([2.0]))}
    found = calibrated_choice(heads, "kind", one_sided)
    assert list(found.notes["validation"]) == ["log_loss"]
    assert found.notes["validation"]["log_loss"] == min(found.notes["tried"].values())
