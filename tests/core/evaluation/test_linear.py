from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from medplug.core.adapter import LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation import linear
from medplug.core.evaluation.linear import best_of, choose_weighting, fit_logistic, head_probabilities, majority
from medplug.core.evaluation.scores import point

BINARY = Target("binary", ("no", "yes"))
THREE = Target("multiclass", ("a", "b", "c"))
LABELS = Target("multilabel", ("x", "y", "z"))


def rows_of(target, rows=240, width=6, seed=0):
    """Features that say something about noisy labels, training rows first."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, width))
    logits = features[:, : len(target.classes)] * 1.5 + generator.normal(size=(rows, len(target.classes)))
    if target.kind == "multilabel":
        return features, (logits > 0).astype(np.int64)
    return features, logits.argmax(axis=1)


def fit(target, features, labels, train=160, **options):
    defaults = {"metric": "accuracy", "standardise": False, "seed": 0}
    return fit_logistic(
        features[:train], labels[:train], features[train:], labels[train:], target, **defaults | options
    )


@pytest.mark.parametrize("target", [BINARY, THREE], ids=["binary", "multiclass"])
@pytest.mark.parametrize("matrix", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_scikit_learns_solution(target, matrix, weighted):
    features, labels = rows_of(target)
    weights = np.array([1.0, 3.0, 0.5])[: len(target.classes)] if weighted else None
    head = fit(target, matrix(features), labels, strengths=(0.01, 0.3), class_weights=weights)
    expected = LogisticRegression(C=head.notes["strength"], tol=1e-8, max_iter=2000)
    row_weights = None if weights is None else weights[labels[:160]]
    expected.fit(features[:160], labels[:160], sample_weight=row_weights)
    found = head_probabilities(head, matrix(features), target)
    assert head.weight.shape == (target.outputs, 6) and head.bias.shape == (target.outputs,)
    assert np.allclose(found, expected.predict_proba(features), atol=2e-3)


def test_multilabel_is_one_fit_a_label():
    features, labels = rows_of(LABELS)
    weights = np.array([1.0, 4.0, 0.5])
    head = fit(LABELS, features, labels, strengths=(0.5,), class_weights=weights)
    found = head_probabilities(head, features, LABELS)
    for c in range(3):
        expected = LogisticRegression(C=0.5, tol=1e-8, class_weight={0: 1.0, 1: weights[c]})
        expected.fit(features[:160], labels[:160, c])
        assert np.allclose(found[:, c], expected.predict_proba(features)[:, 1], atol=2e-3)


def test_the_strength_is_the_best_on_validation():
    features, labels = rows_of(THREE)
    head = fit(THREE, features, labels, metric="log_loss")
    tried = head.notes["tried"]
    assert len(tried) == len(linear.STRENGTHS)
    assert head.notes["validation"] == {"log_loss": min(tried.values())}
    assert tried[f"{head.notes['strength']:g}"] == min(tried.values())
    assert point(THREE, labels[160:], head_probabilities(head, features[160:], THREE), "log_loss") == pytest.approx(
        min(tried.values())
    )


def test_validation_alone_has_a_say_in_the_strength():
    features, labels = rows_of(BINARY, rows=400)
    contradicted = np.concatenate([labels[:200], 1 - labels[200:]])
    agreeing = fit(BINARY, features, labels, train=200, metric="log_loss")
    opposed = fit(BINARY, features, contradicted, train=200, metric="log_loss")
    assert opposed.notes["strength"] == min(linear.STRENGTHS) < agreeing.notes["strength"]


def test_of_equal_strengths_the_stronger_regularisation_wins():
    features, labels = np.repeat([[-1.0], [1.0]], 40, axis=0), np.repeat([0, 1], 40)
    order = np.random.default_rng(0).permutation(80)
    head = fit(BINARY, features[order], labels[order], train=60, strengths=(100.0, 1.0, 10.0))
    assert head.notes["tried"] == {"1": 1.0, "10": 1.0, "100": 1.0}
    assert head.notes["strength"] == 1.0


def test_where_the_metric_is_undefined_log_loss_chooses():
    features, labels = rows_of(BINARY)
    labels[160:] = 0
    notes = fit(BINARY, features, labels, metric="auroc").notes
    assert list(notes["validation"]) == ["log_loss"]


def test_notes_are_json():
    features, labels = rows_of(LABELS)
    notes = fit(LABELS, features, labels, metric="auroc").notes
    assert json.loads(json.dumps(notes)) == notes


def test_a_class_that_training_never_saw_is_never_likely_and_changes_nothing_else():
    features, labels = rows_of(THREE)
    four = Target("multiclass", ("a", "absent", "b", "c"))
    moved = np.array([0, 2, 3])[labels]
    head = fit(four, features, moved, metric="log_loss", standardise=True)
    plain = fit(THREE, features, labels, metric="log_loss", standardise=True)
    found = head_probabilities(head, features, four)
    assert np.isfinite(head.bias).all() and (head.weight[1] == 0).all()
    assert (found[:, 1] == 0).all()
    assert np.allclose(found[:, [0, 2, 3]], head_probabilities(plain, features, THREE), atol=1e-8)


def test_two_classes_of_three_in_training_are_a_binary_fit():
    features, labels = rows_of(BINARY)
    head = fit(THREE, features, np.where(labels == 1, 2, 0), strengths=(1.0,))
    plain = fit(BINARY, features, labels, strengths=(1.0,))
    assert np.allclose(
        head_probabilities(head, features, THREE)[:, [0, 2]], head_probabilities(plain, features, BINARY)
    )


@pytest.mark.parametrize("target", [BINARY, THREE], ids=["binary", "multiclass"])
def test_a_single_class_in_training_is_predicted_for_every_row(target):
    features, labels = rows_of(target)
    labels[:160] = 1
    head = fit(target, features, labels)
    assert (head.weight == 0).all() and np.isfinite(head.bias).all()
    assert (head_probabilities(head, features, target).argmax(axis=1) == 1).all()


def test_a_label_of_one_value_gets_its_prior_by_the_rule_of_succession():
    features, labels = rows_of(LABELS)
    labels[:160, 0], labels[:160, 2] = 0, 1
    head = fit(LABELS, features, labels, metric="macro_f1")
    found = head_probabilities(head, features, LABELS)
    assert (head.weight[[0, 2]] == 0).all() and (head.weight[1] != 0).any()
    assert np.allclose(found[:, 0], 1 / 162) and np.allclose(found[:, 2], 161 / 162)


@pytest.mark.parametrize("target", [BINARY, THREE, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_standardising_is_folded_back_into_the_head(target):
    features, labels = rows_of(target)
    stretched = features * [1e3, 1.0, 1e-3, 10.0, 5.0, 0.1] + [1e4, 0.0, 1.0, -3.0, 0.0, 7.0]
    mean, deviation = stretched[:160].mean(axis=0), stretched[:160].std(axis=0)
    folded = fit(target, stretched, labels, strengths=(0.1,), standardise=True)
    by_hand = fit(target, (stretched - mean) / deviation, labels, strengths=(0.1,))
    logits = stretched @ folded.weight.T + folded.bias
    assert np.allclose(logits, ((stretched - mean) / deviation) @ by_hand.weight.T + by_hand.bias, atol=1e-6)


def test_the_scale_of_a_column_does_not_matter_when_standardised():
    features, labels = rows_of(BINARY)
    stretched = features * [1e3, 1.0, 1e-3, 10.0, 5.0, 0.1]
    plain, scaled = (fit(BINARY, f, labels, standardise=True) for f in (features, stretched))
    assert np.allclose(
        head_probabilities(plain, features, BINARY), head_probabilities(scaled, stretched, BINARY), atol=1e-6
    )


def test_a_constant_column_gets_no_weight():
    features, labels = rows_of(BINARY)
    features = np.hstack([features, np.full((240, 1), 0.1)]).astype(np.float32)
    head = fit(BINARY, features, labels, standardise=True)
    assert head.weight[0, -1] == 0 and np.isfinite(head.weight).all()


def test_an_unconverged_fit_is_noted_and_warns_nobody(monkeypatch):
    monkeypatch.setattr(linear, "MAX_ITERATIONS", 1)
    features, labels = rows_of(THREE)
    filters = list(warnings.filters)
    for matrix in (features, sparse.csr_matrix(features)):
        notes = fit(THREE, matrix, labels, strengths=(1.0, 100.0)).notes
        assert 100.0 in notes["unconverged"]
    assert warnings.filters == filters


def test_a_fit_that_converged_says_nothing_of_it():
    features, labels = rows_of(THREE)
    assert "unconverged" not in fit(THREE, features, labels).notes


def test_fits_repeat_and_leave_the_global_generator_alone():
    features, labels = rows_of(THREE)
    before = np.random.get_state()[1].copy()
    first, again = (fit(THREE, features, labels) for _ in range(2))
    assert (first.weight == again.weight).all() and first.notes == again.notes
    assert (np.random.get_state()[1] == before).all()


def test_the_rows_are_not_changed():
    features, labels = rows_of(BINARY)
    copy = features.copy()
    fit(BINARY, features, labels, standardise=True)
    assert (features == copy).all()


def test_a_strength_cannot_be_chosen_on_nothing():
    features, labels = rows_of(BINARY)
    with pytest.raises(DataError, match="validation rows"):
        fit(BINARY, features, labels, train=240)


def test_the_majority_is_the_training_frequencies():
    assert np.allclose(majority(np.array([0, 1, 1, 1]), BINARY, 2), [[0.25, 0.75]] * 2)
    assert np.allclose(majority(np.array([0, 0, 2]), THREE, 1), [[2 / 3, 0, 1 / 3]])
    assert np.allclose(majority(np.array([[0, 1, 1], [0, 0, 1]]), LABELS, 1), [[0, 0.5, 1]])


def test_no_constant_prediction_has_a_lower_log_loss_than_the_majority_on_its_own_rows():
    _, labels = rows_of(THREE)
    best = point(THREE, labels, majority(labels, THREE, len(labels)), "log_loss")
    for other in np.random.default_rng(0).dirichlet(np.ones(3), size=50):
        assert best <= point(THREE, labels, np.tile(other, (len(labels), 1)), "log_loss")


def test_the_weighting_that_is_best_on_validation_is_kept_and_named():
    weightings = {"none": None, "balanced": np.array([1.0, 3.0])}

    def fit(weights):
        score = 0.4 if weights is None else 0.6
        return LinearHead(np.full((1, 1), score), np.zeros(1), {"validation": {"f1": score}})

    assert choose_weighting(weightings, fit).notes["class weights"] == "balanced"
    assert choose_weighting(weightings, lambda weights: fit(None)).notes["class weights"] == "none"


def test_of_strengths_that_order_rows_alike_the_one_of_honest_probabilities_is_kept():
    features, labels = rows_of(BINARY, rows=400, width=4)
    notes = fit(BINARY, features, labels, train=280, metric="auroc").notes
    assert max(notes["tried"].values()) - notes["tried"]["0.0001"] < linear.ALIKE  # the strongest is all but the best
    strongest = fit(BINARY, features, labels, train=280, metric="auroc", strengths=(1e-4,)).notes
    assert notes["validation"]["log_loss"] < strongest["validation"]["log_loss"] - 0.1
    assert notes["validation"]["auroc"] >= max(notes["tried"].values()) - linear.ALIKE


def test_a_clearly_better_order_is_never_given_up_for_a_smaller_loss():
    assert best_of({"a": 0.9, "b": 0.8}, "auroc", {"a": 5.0, "b": 0.1}) == "a"
    assert best_of({"a": 0.9, "b": 0.898}, "auroc", {"a": 5.0, "b": 0.1}) == "b"
    assert best_of({"a": 0.9, "b": 0.898}, "macro_f1", {"a": 5.0, "b": 0.1}) == "a"
    assert best_of({"a": float("nan"), "b": 0.5}, "auroc", {"a": 0.1, "b": 5.0}) == "b"
