from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.metrics import metric_names
from medplug.core.evaluation.scores import Estimate, by_subgroup, estimate, paired_difference, per_class, point

BINARY = Target("binary", ("no", "yes"))
THREE = Target("multiclass", ("a", "b", "c"))


def binary(rows=200, skill=1.0, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    return labels, BINARY.probabilities((skill * (2 * labels - 1) + generator.normal(size=rows))[:, None])


def three(rows=300, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, rows, p=[0.6, 0.3, 0.1])
    return labels, THREE.probabilities(generator.normal(size=(rows, 3)) + np.eye(3)[labels])


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_an_interval_holds_the_point_estimate(kind):
    target, (labels, probabilities) = (BINARY, binary()) if kind == "binary" else (THREE, three())
    for name, found in estimate(target, labels, probabilities, metric_names(kind), resamples=200).items():
        assert found.value == point(target, labels, probabilities, name)
        assert found.high - found.low > 0
        # calibration error is biased upwards in resamples, so its interval need not hold the point
        assert name == "ece" or found.low <= found.value <= found.high, name


def test_the_seed_decides_the_interval():
    labels, probabilities = binary()
    first, again, other = (estimate(BINARY, labels, probabilities, ["auroc"], resamples=100, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_metrics_asked_for_together_are_as_if_asked_for_alone():
    labels, probabilities = three()
    together = estimate(THREE, labels, probabilities, ["macro_f1", "auroc"], resamples=50)
    assert together["auroc"] == estimate(THREE, labels, probabilities, ["auroc"], resamples=50)["auroc"]


def test_intervals_of_accuracy_cover_the_truth_about_95_times_in_100():
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        right = generator.random(150) < 0.8
        probabilities = np.c_[~right, right].astype(np.float64)
        found = estimate(BINARY, np.ones(150, dtype=int), probabilities, ["accuracy"], resamples=300, seed=trial)
        covered += found["accuracy"].low <= 0.8 <= found["accuracy"].high
    assert 0.90 <= covered / 200 <= 0.985


def test_resampling_groups_widens_the_interval_of_repeated_patients():
    labels, probabilities = binary(rows=60)
    repeated = np.repeat(np.arange(60), 8)
    rows = estimate(BINARY, labels[repeated], probabilities[repeated], ["accuracy"], resamples=500)["accuracy"]
    groups = [f"patient {i}" for i in repeated]
    found = estimate(BINARY, labels[repeated], probabilities[repeated], ["accuracy"], groups=groups, resamples=500)
    patients = estimate(BINARY, labels, probabilities, ["accuracy"], resamples=500)["accuracy"]
    assert found["accuracy"].high - found["accuracy"].low > 2 * (rows.high - rows.low)
    assert found["accuracy"] == patients  # eight copies of a patient say no more than one


def test_a_resample_without_the_metric_is_left_out_of_the_interval():
    labels = np.array([1] + [0] * 9)  # a third of the resamples have no positive row
    found = estimate(BINARY, labels, np.c_[1 - labels, labels] * 0.8 + 0.1, ["auroc"], resamples=100)["auroc"]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_what_is_undefined_is_null_in_json():
    labels = np.zeros(5, dtype=int)
    found = estimate(BINARY, labels, np.full((5, 2), 0.5), ["auroc", "accuracy"], resamples=10)
    assert json.dumps(found["auroc"].as_json()) == '{"value": null, "ci95": [null, null]}'
    assert found["accuracy"].as_json() == {"value": 1.0, "ci95": [1.0, 1.0]}


def test_classes_are_scored_each_against_the_rest():
    labels, probabilities = three()
    found = per_class(THREE, labels, probabilities, resamples=50)
    decided = probabilities.argmax(axis=1)
    assert list(found) == ["a", "b", "c"]
    for c, part in enumerate(found.values()):
        values = {name: each.value for name, each in part["metrics"].items()}
        assert part["n"] == (labels == c).sum()
        assert values["precision"] == pytest.approx(sk.precision_score(labels == c, decided == c))
        assert values["recall"] == pytest.approx(sk.recall_score(labels == c, decided == c))
        assert values["f1"] == pytest.approx(sk.f1_score(labels == c, decided == c))
        assert values["auroc"] == pytest.approx(sk.roc_auc_score(labels == c, probabilities[:, c]))
        assert values["auprc"] == pytest.approx(sk.average_precision_score(labels == c, probabilities[:, c]))
        assert all(each.low <= each.value <= each.high for each in part["metrics"].values())


def test_both_classes_of_a_binary_target_are_scored_and_agree_on_auroc():
    labels, probabilities = binary()
    found = per_class(BINARY, labels, probabilities, resamples=20)
    assert found["no"]["n"] + found["yes"]["n"] == len(labels)
    assert found["no"]["metrics"]["auroc"].value == pytest.approx(found["yes"]["metrics"]["auroc"].value)
    positive = estimate(BINARY, labels, probabilities, ["f1"], resamples=20)["f1"]
    assert found["yes"]["metrics"]["f1"] == positive


def test_a_class_that_never_occurs_has_no_scores():
    labels, probabilities = three()
    keep = labels != 2
    part = per_class(THREE, labels[keep], probabilities[keep] * [1, 1, 0], resamples=10)["c"]
    assert part["n"] == 0 and all(math.isnan(each.value) for each in part["metrics"].values())


def test_multilabel_classes_are_the_labels():
    generator = np.random.default_rng(0)
    target, labels = Target("multilabel", ("x", "y")), generator.integers(0, 2, (80, 2))
    probabilities = 0.5 * labels + 0.5 * generator.random((80, 2))
    found = per_class(target, labels, probabilities, resamples=20)
    assert found["y"]["n"] == labels[:, 1].sum()
    assert found["y"]["metrics"]["auroc"].value == pytest.approx(sk.roc_auc_score(labels[:, 1], probabilities[:, 1]))


def test_a_model_differs_from_itself_by_nothing():
    labels, probabilities = binary()
    found = paired_difference(BINARY, labels, probabilities, probabilities, ["auroc", "brier"], resamples=30)
    assert found == {"auroc": Estimate(0.0, 0.0, 0.0), "brier": Estimate(0.0, 0.0, 0.0)}


def test_a_paired_difference_is_model_minus_baseline_and_sharper_than_two_intervals():
    labels, probabilities = binary(skill=1.0)
    nudge = np.random.default_rng(1).normal(scale=0.02, size=(len(labels), 1))
    near = np.clip(probabilities + nudge * [-1, 1], 0, 1)
    found = paired_difference(BINARY, labels, near, probabilities, ["auroc"], resamples=200)["auroc"]
    alone = estimate(BINARY, labels, near, ["auroc"], resamples=200)["auroc"]
    assert found.value == pytest.approx(alone.value - point(BINARY, labels, probabilities, "auroc"))
    assert found.high - found.low < 0.5 * (alone.high - alone.low)


def test_the_sign_of_a_loss_difference_is_kept():
    labels, good = binary(skill=2.0)
    _, poor = binary(skill=0.0)
    assert paired_difference(BINARY, labels, good, poor, ["brier"], resamples=100)["brier"].high < 0


def test_a_subgroup_is_scored_as_its_own_rows():
    labels, probabilities = binary()
    sites = np.where(np.arange(200) % 3 == 0, "north", "south")
    groups = [str(i // 2) for i in range(200)]
    found = by_subgroup(BINARY, labels, probabilities, sites.tolist(), ["auroc"], groups=groups, resamples=40, seed=3)
    south = sites == "south"
    members = np.array(groups)[south]
    alone = estimate(BINARY, labels[south], probabilities[south], ["auroc"], groups=members, resamples=40, seed=3)
    assert list(found) == ["north", "south"]
    assert found["south"] == {"n": south.sum(), "metrics": alone}


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        (np.array([], dtype=int), np.zeros((0, 2)), "no rows"),
        (np.array([0, 1]), np.full((3, 2), 0.5), r"shape \(3, 2\); it must be \(2, 2\)"),
        (np.array([0, 1]), np.full(2, 0.5), "probabilities have shape"),
        (np.array([[0, 1]]), np.full((1, 2), 0.5), "labels of a binary target"),
        (np.array([0, 2]), np.full((2, 2), 0.5), "not encoded"),
        (np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, 0.5]]), "1 of 2 rows are not finite"),
    ],
)
def test_data_that_cannot_be_scored_is_refused(labels, probabilities, words):
    with pytest.raises(DataError, match=words):
        point(BINARY, labels, probabilities, "accuracy")


def test_a_subgroup_for_every_row_is_needed():
    labels, probabilities = binary(rows=10)
    with pytest.raises(DataError, match="subgroup has 3 values for 10 rows"):
        by_subgroup(BINARY, labels, probabilities, ["a"] * 3, ["auroc"])
