from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from medplug.core.data.targets import Target
from medplug.core.errors import UsageError
from medplug.core.evaluation.metrics import GREATER_IS_BETTER, METRICS, measure, metric_names, prepare
from medplug.core.evaluation.ranking import most_enrichment

KINDS = ("binary", "multiclass", "multilabel")
CASES = [(kind, name) for kind in KINDS for name in metric_names(kind)]


def target_of(kind):
    return Target(kind, ("no", "yes") if kind == "binary" else ("a", "b", "c", "d"))


def problem(kind, seed=0, rows=90):
    """Random labels and probabilities with many ties (steps of a tenth or so)."""
    generator = np.random.default_rng(seed)
    target = target_of(kind)
    classes = len(target.classes)
    if kind == "multilabel":
        labels = generator.integers(0, 2, (rows, classes))
        return target, labels, np.round(np.clip(0.3 * labels + 0.7 * generator.random((rows, classes)), 0, 1), 1)
    labels = generator.integers(0, classes, rows)
    scores = np.round(generator.random((rows, classes)) * 4 + 2 * np.eye(classes)[labels]) + 1
    return target, labels, scores / scores.sum(axis=1, keepdims=True)


def summary(kind):
    return {"average": "binary" if kind == "binary" else "macro", "zero_division": 0}


def one_vs_rest(kind, labels, probabilities):
    members = labels if kind == "multilabel" else np.eye(probabilities.shape[1])[labels]
    return (labels, probabilities[:, 1]) if kind == "binary" else (members, probabilities)


def squared(kind, labels, probabilities):
    members = labels if kind == "multilabel" else np.eye(probabilities.shape[1])[labels]
    squares = (probabilities - members) ** 2
    return {"binary": squares[:, 1], "multiclass": squares.sum(axis=1), "multilabel": squares.mean(axis=1)}[kind]


def calibration_error(confidence, right, weights):
    """The definition, bin by bin."""
    edges = np.linspace(0, 1, 16)
    total = 0.0
    for lower, upper in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence > lower) & (confidence <= upper) | ((lower == 0) & (confidence == 0))
        if weights[inside].sum():
            gap = np.average(confidence[inside], weights=weights[inside]) - np.average(
                right[inside], weights=weights[inside]
            )
            total += abs(gap) * weights[inside].sum()
    return total / weights.sum()


def enrichment(labels, scores, weights):
    """The enrichment factor at 1 %, row by row from the best score; tied rows share what is left of the first 1 %."""
    left = top = math.ceil(weights.sum() / 100)
    hits = 0.0
    for score in sorted(set(scores), reverse=True):
        tied = scores == score
        share = min(left / weights[tied].sum(), 1) if weights[tied].any() else 0
        hits += share * (weights * labels)[tied].sum()
        left = max(left - weights[tied].sum(), 0)
    return hits / top / ((weights * labels).sum() / weights.sum())


def reference(name, kind, labels, probabilities, weights):
    """The metric by scikit-learn (plainly, where it has none)."""
    decided = (probabilities >= 0.5).astype(int) if kind == "multilabel" else probabilities.argmax(axis=1)
    weighted = {"sample_weight": weights}
    if name == "accuracy":
        return sk.accuracy_score(labels, decided, **weighted)
    if name == "balanced_accuracy":
        return sk.balanced_accuracy_score(labels, decided, **weighted)
    if name in ("precision", "recall", "f1"):
        return getattr(sk, f"{name}_score")(labels, decided, **weighted, **summary(kind))
    if name in ("macro_f1", "micro_f1"):
        return sk.f1_score(labels, decided, average=name[:5], **weighted)
    if name == "auroc":
        return sk.roc_auc_score(*one_vs_rest(kind, labels, probabilities), **weighted)
    if name == "ef1":
        return enrichment(labels, probabilities[:, 1], weights)
    if name == "auprc":
        return sk.average_precision_score(*one_vs_rest(kind, labels, probabilities), **weighted)
    if name == "brier":
        return np.average(squared(kind, labels, probabilities), weights=weights)
    if name == "log_loss":
        if kind != "multilabel":
            return sk.log_loss(labels, probabilities, **weighted)
        columns = range(labels.shape[1])
        return np.mean([sk.log_loss(labels[:, c], probabilities[:, c], **weighted) for c in columns])
    if kind == "multilabel":
        columns = range(labels.shape[1])
        return np.mean([calibration_error(probabilities[:, c], labels[:, c], weights) for c in columns])
    if kind == "binary":
        return calibration_error(probabilities[:, 1], labels, weights)
    return calibration_error(probabilities.max(axis=1), decided == labels, weights)


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_reference_on_tied_scores_and_whole_weights(kind, name, seed):
    target, labels, probabilities = problem(kind, seed)
    weights = np.random.default_rng(seed).integers(0, 4, (5, len(labels)))
    weights[0] = 1
    found = measure(target, name, labels, probabilities, weights.astype(np.float64))
    expected = [reference(name, kind, labels, probabilities, each) for each in weights]
    assert found.shape == (5,)
    assert np.allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_weight_counts_a_row_so_many_times(kind, name):
    target, labels, probabilities = problem(kind, seed=7)
    weights = np.random.default_rng(7).integers(0, 4, len(labels))
    repeated = np.repeat(np.arange(len(labels)), weights)
    once = np.ones((1, len(repeated)))
    assert np.allclose(
        measure(target, name, labels, probabilities, weights[None].astype(np.float64)),
        measure(target, name, labels[repeated], probabilities[repeated], once),
    )


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_float32_counts_and_either_memory_layout_change_nothing(kind, name):
    target, labels, probabilities = problem(kind, seed=2)
    weights = np.random.default_rng(2).integers(0, 4, (6, len(labels))).astype(np.float64)
    statistic = prepare(target, name, labels, probabilities)
    for same in (weights.astype(np.float32), np.asfortranarray(weights.astype(np.float32))):
        assert np.allclose(statistic(same), statistic(weights), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_order_of_the_rows_does_not_matter(kind, name):
    target, labels, probabilities = problem(kind, seed=3)
    order = np.random.default_rng(3).permutation(len(labels))
    once = np.ones((1, len(labels)))
    shuffled = measure(target, name, labels[order], probabilities[order], once)
    assert np.allclose(shuffled, measure(target, name, labels, probabilities, once))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_truth_as_probabilities_scores_best(kind, name):
    target, labels, _ = problem(kind)
    truth = np.eye(len(target.classes))[labels] if kind != "multilabel" else labels.astype(np.float64)
    best = measure(target, name, labels, truth, np.ones((1, len(labels))))
    most = most_enrichment(labels) if name == "ef1" else 1.0
    assert best == pytest.approx(most if GREATER_IS_BETTER[name] else 0.0, abs=1e-12)


def test_auroc_is_the_share_of_pairs_in_order_with_rare_positives_and_long_runs():
    generator = np.random.default_rng(5)
    labels = (generator.random(400) < 0.02).astype(int)
    labels[:2] = [0, 1]
    scores = np.round(generator.random(400), 2)
    above = scores[labels == 1][:, None] - scores[labels == 0][None]
    pairs = ((above > 0) + 0.5 * (above == 0)).mean()
    found = measure(target_of("binary"), "auroc", labels, np.c_[1 - scores, scores], np.ones((1, 400)))
    assert found == pytest.approx(pairs, abs=1e-12)


def test_auroc_does_not_change_under_a_monotone_map_of_the_scores():
    target, labels, probabilities = problem("binary")
    cubed = probabilities[:, 1] ** 3
    once = np.ones((1, len(labels)))
    assert measure(target, "auroc", labels, probabilities, once) == pytest.approx(
        measure(target, "auroc", labels, np.c_[1 - cubed, cubed], once)
    )


@pytest.mark.parametrize("name", ["auroc", "auprc", "f1", "precision", "recall"])
def test_without_a_positive_row_true_or_decided_there_is_no_such_metric(name):
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert np.isnan(measure(target_of("binary"), name, np.array([0, 0]), probabilities, np.ones((1, 2)))).all()


def test_undefined_is_per_weighting():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    found = measure(target_of("binary"), "auroc", np.array([0, 0, 1]), probabilities, weights)
    assert np.isnan(found[0]) and found[1] == 1.0


def test_a_class_with_no_row_is_left_out_of_macro_averages():
    target, labels, probabilities = problem("multiclass")
    labels = np.where(labels == 3, 0, labels)
    probabilities = probabilities.copy()
    probabilities[:, 3] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    three = Target("multiclass", ("a", "b", "c"))
    once = np.ones((1, len(labels)))
    for name in metric_names("multiclass"):
        with_it = measure(target, name, labels, probabilities, once)
        assert with_it == pytest.approx(measure(three, name, labels, probabilities[:, :3], once)), name


def test_a_label_with_no_row_is_left_out_as_scikit_learn_does_with_zero_division_nan():
    target, labels, probabilities = problem("multilabel")
    labels, probabilities = labels.copy(), probabilities.copy()
    labels[:, 2], probabilities[:, 2] = 0, 0.1
    expected = sk.f1_score(labels, probabilities >= 0.5, average="macro", zero_division=np.nan)
    assert measure(target, "macro_f1", labels, probabilities, np.ones((1, len(labels)))) == pytest.approx(expected)


def test_a_certain_error_costs_a_finite_log_loss():
    found = measure(target_of("binary"), "log_loss", np.array([1]), np.array([[1.0, 0.0]]), np.ones((1, 1)))
    assert found == pytest.approx(-np.log(np.finfo(np.float64).eps))


def test_names_are_listed_by_kind():
    of_classes = tuple(name for name, metric in METRICS.items() if "binary" in metric.kinds)
    assert metric_names("binary") == of_classes
    assert set(of_classes) - set(metric_names("multiclass")) == {"ef1"}
    assert set(of_classes) - set(metric_names("multilabel")) == {"balanced_accuracy", "ef1"}
    assert set(metric_names("survival")) == {"c_index", "cox_loss"}
    of_arms = set(metric_names("treatment"))
    assert set(metric_names("regression")) == set(METRICS) - set(of_classes) - of_arms - {"cox_loss"}
    assert metric_names("span") == ()


def test_a_metric_that_the_target_lacks_is_an_error_with_the_names_it_has():
    target, labels, probabilities = problem("multilabel")
    with pytest.raises(UsageError, match="'balanced_accuracy' is not a metric of a multilabel target.*valid: accuracy"):
        prepare(target, "balanced_accuracy", labels, probabilities)
    with pytest.raises(UsageError, match="did you mean auroc"):
        prepare(target, "aurocc", labels, probabilities)


@pytest.mark.parametrize(("rows", "top"), [(1, 1), (100, 1), (101, 2), (700, 7), (5_010, 51)])
def test_the_first_hundredth_is_rounded_up_to_whole_rows(rows, top):
    labels = np.arange(rows) < top
    scores = np.column_stack([np.arange(rows), -np.arange(rows)]).astype(float)
    found = measure(target_of("binary"), "ef1", labels.astype(int), scores, np.ones((1, rows)))[0]
    assert found == pytest.approx(rows / top) == pytest.approx(most_enrichment(labels.astype(int)))
    worst = measure(target_of("binary"), "ef1", labels.astype(int), -scores, np.ones((1, rows)))[0]
    assert worst == (0 if rows >= 2 * top else 1)


@pytest.mark.parametrize("positive", [1, 5, 60, 299])
def test_no_order_enriches_more_than_the_most_and_equal_scores_not_at_all(positive):
    labels = (np.arange(300) < positive).astype(int)
    right, weights = np.column_stack([1.0 - labels, labels]), np.ones((1, 300))
    assert measure(target_of("binary"), "ef1", labels, right, weights)[0] == pytest.approx(most_enrichment(labels))
    draw = np.random.default_rng(3).random((300, 2))
    assert measure(target_of("binary"), "ef1", labels, draw, weights)[0] <= most_enrichment(labels)
    assert measure(target_of("binary"), "ef1", labels, np.full((300, 2), 0.5), weights)[0] == pytest.approx(1)


def test_enrichment_is_undefined_without_positive_rows():
    nothing = np.zeros(20, dtype=int)
    assert np.isnan(measure(target_of("binary"), "ef1", nothing, np.full((20, 2), 0.5), np.ones((2, 20)))).all()
    assert math.isnan(most_enrichment(nothing))
