"""The linear head on frozen features, and fitting it again on all labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from medplug.core.adapter import FitData
from medplug.core.data.targets import Target
from medplug.core.evaluation.probe import fit_probe, fit_probe_again

THREE = Target("multiclass", ("a", "b", "c"))


def data(target: Target = THREE, **more: Any) -> FitData:
    draw = np.random.default_rng(0)
    train, validation = draw.normal(size=(60, 4)), draw.normal(size=(30, 4))
    classes = len(target.classes)
    labels = [np.clip(np.round(rows[:, 0] + 1 + draw.normal(size=len(rows)) / 2), 0, classes - 1).astype(int)
              for rows in (train, validation)]  # fmt: skip
    known = {"none": None, "balanced": np.array([0.5, 1.0, 2.0])}
    given: dict[str, Any] = {"metric": "log_loss", "weightings": known, "seed": 0, **more}
    return FitData(train.astype("f4"), labels[0], validation.astype("f4"), labels[1], target, **given)


def test_it_is_fitted_on_training_and_validation_rows_with_what_was_chosen() -> None:
    given = data(weightings={"none": None})
    chosen = fit_probe(given, (0.01, 0.1, 1.0), standardise=False)
    again = fit_probe_again(given, chosen, standardise=False)
    rows = np.concatenate([given.features, given.validation_features]).astype(float)
    labels = np.concatenate([given.labels, given.validation_labels])
    reference = LogisticRegression(C=chosen.notes["strength"], tol=1e-8, max_iter=5000).fit(rows, labels)
    expected = rows @ reference.coef_.T + reference.intercept_
    found = rows @ again.weight.T + again.bias
    centred = [each - each.mean(1, keepdims=True) for each in (found, expected)]
    assert np.allclose(*centred, atol=1e-2)


def test_the_choice_and_the_validation_logits_stay_those_of_rows_not_learned_from() -> None:
    given = data()
    chosen = fit_probe(given)
    again = fit_probe_again(given, chosen)
    assert {key: again.notes[key] for key in chosen.notes} == chosen.notes and "fitted again on" in again.notes
    assert again.validation_logits is not None
    expected = given.validation_features @ chosen.weight.T + chosen.bias
    assert np.allclose(again.validation_logits, expected, atol=1e-5)
    assert not np.allclose(again.weight, chosen.weight)


def test_rows_of_weight_zero_are_left_out_and_validation_rows_count_once() -> None:
    weights = np.r_[np.zeros(20), np.ones(40)]
    given = data(row_weights=weights, weightings={"none": None})
    kept = data(weightings={"none": None})
    kept = FitData(kept.features[20:], kept.labels[20:], kept.validation_features, kept.validation_labels,
                   THREE, "log_loss", {"none": None}, 0)  # fmt: skip
    weighed, without = (fit_probe_again(each, fit_probe(each, (0.1,))) for each in (given, kept))
    assert np.allclose(weighed.weight, without.weight, atol=1e-4)


def test_a_number_is_fitted_again_by_ridge_regression() -> None:
    draw = np.random.default_rng(1)
    rows, more = draw.normal(size=(40, 3)), draw.normal(size=(20, 3))
    numbers, others = rows @ [1.0, -2.0, 0.5] + 7, more @ [1.0, -2.0, 0.5] + 7
    target = Target.numeric("dose", numbers.tolist())
    given = FitData(rows.astype("f4"), numbers, more.astype("f4"), others, target, "mae", {"none": None}, 0)
    chosen = fit_probe(given, (1.0,), standardise=False)
    again = fit_probe_again(given, chosen, standardise=False)
    both = np.concatenate([given.features, given.validation_features]).astype(float)
    reference = Ridge(alpha=1.0).fit(both, target.standardised(np.r_[numbers, others]))
    assert again.weight[0] == pytest.approx(reference.coef_, abs=1e-6)
