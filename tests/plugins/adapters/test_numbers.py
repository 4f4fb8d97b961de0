"""Adapters on a target that is a number: heads that are fitted, a teacher's values, and what penalties see."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medplug.core.adapter import Batch, FitData, Material
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.linear import head_probabilities
from medplug.core.evaluation.probe import fit_probe
from medplug.core.evaluation.scores import point
from medplug.core.model import Outputs
from medplug.plugins.adapters.anchored import Distill
from medplug.plugins.adapters.boosting import Tradaboost
from medplug.plugins.adapters.options import SvmOptions, TradaboostOptions
from medplug.plugins.adapters.svm import MARGIN, Svm


def rows(count: int, slope: float, seed: int) -> tuple[Any, Any]:
    """Features of unlike scales, one constant, and a dose that follows two of them."""
    draw = np.random.default_rng(seed)
    features = (draw.normal(size=(count, 4)) * [1, 20, 0.1, 0] + [0, 5, 0, 3]).astype(np.float32)
    return features, 500 + 40 * (slope * features[:, 0] + features[:, 1] / 20) + 4 * draw.normal(size=count)


def data(**given: Any) -> FitData:
    (features, labels), (held, held_labels) = rows(120, 1, 0), rows(60, 1, 1)
    facts: dict[str, Any] = {"metric": "mae", "weightings": {"none": None}, "seed": 0, **given}
    return FitData(features, labels, held, held_labels, Target.numeric("dose", labels.tolist()), **facts)


def two_domains(target_rows: int = 20) -> FitData:
    """Many source rows, half of which contradict the target's few; validation rows are the target's."""
    parts = [rows(100, 1, 0), rows(100, -1, 1), rows(target_rows, 1, 2)]
    features, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    held, held_labels = rows(60, 1, 3)
    of_target = np.arange(len(labels)) >= 200
    target = Target.numeric("dose", labels.tolist())
    facts: dict[str, Any] = {"metric": "mae", "weightings": {"none": None}, "seed": 0, "of_target": of_target}
    return FitData(features, labels, held, held_labels, target, **facts)


def error(data: FitData, head: Any) -> float:
    values = head_probabilities(head, data.validation_features, data.target)
    return point(data.target, data.validation_labels, values, "mae")


def test_a_support_vector_regression_finds_a_line_and_minds_no_small_errors() -> None:
    given = data()
    head = Svm(SvmOptions()).fit(given)
    assert error(given, head) < 0.2 * given.labels.std()
    assert head.notes["strength"] in SvmOptions().strengths and set(head.notes["validation"]) == {"mae"}
    assert head.weight.shape == (1, 4) and head.weight[0, -1] == 0


def test_errors_within_the_margin_cost_a_support_vector_regression_nothing() -> None:
    given = data()
    exact = 500.0 + 40 * given.features[:, 0].astype(np.float64)
    target = Target.numeric("dose", exact.tolist())
    head = Svm(SvmOptions(strengths=(1e4,))).fit(FitData(**{**fields(given), "labels": exact, "target": target}))
    errors = np.abs(head_probabilities(head, given.features, target)[:, 0] - exact) / target.scale
    assert 0.8 * MARGIN < errors.max() < 1.05 * MARGIN  # a weaker slope is free as long as no row leaves the tube


def fields(data: FitData) -> dict[str, Any]:
    return {name: getattr(data, name) for name in data.__slots__}


def test_rows_without_weight_do_not_move_a_support_vector_regression() -> None:
    plain = data()
    weights = (np.arange(120) < 60).astype(np.float64)
    wrong = np.where(weights > 0, plain.labels, 0.0)
    weighed = Svm(SvmOptions()).fit(FitData(**{**fields(plain), "labels": wrong, "row_weights": weights}))
    half = {"features": plain.features[:60], "labels": plain.labels[:60]}
    alone = Svm(SvmOptions()).fit(FitData(**{**fields(plain), **half}))
    np.testing.assert_allclose(weighed.weight, alone.weight, rtol=1e-4, atol=1e-6)


def test_boosting_leaves_the_source_rows_that_contradict_the_target() -> None:
    given = two_domains()
    boosted = Tradaboost(TradaboostOptions(rounds=3)).fit(given)
    pooled = fit_probe(given, TradaboostOptions().strengths)
    assert error(given, boosted) < 0.7 * error(given, pooled)
    assert boosted.notes["validation"] == {"mae": pytest.approx(error(given, boosted))}
    assert boosted.notes["strength"] in TradaboostOptions().strengths
    again = Tradaboost(TradaboostOptions(rounds=3)).fit(given)
    assert np.array_equal(boosted.weight, again.weight)


def test_boosting_needs_two_labelled_rows_of_the_target() -> None:
    with pytest.raises(DataError, match="needs 2 labelled rows of the target"):
        Tradaboost(TradaboostOptions()).fit(two_domains(target_rows=1))
    Tradaboost(TradaboostOptions(rounds=1)).fit(two_domains(target_rows=2))


def test_a_teacher_of_a_number_is_read_in_the_students_own_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Target("regression", ("dose",), 500.0, 40.0), Target("regression", ("dose",), 100.0, 10.0)
    teacher = SimpleNamespace(target=theirs, logits=lambda values: np.array([[44.0], [0.0]], dtype=np.float32))
    monkeypatch.setattr("medplug.core.api.load", lambda folder: teacher)
    adapter = Distill(SimpleNamespace(teacher=Path("there"), temperature=2.0, trade_off=3.0))
    reference = adapter.reference(Material(["a", "b"], ours, lambda: pytest.fail("no features are needed")))
    assert reference is not None and reference.dtype == np.float32
    np.testing.assert_allclose(ours.probabilities(reference)[:, 0], [540.0, 100.0])
    outputs = Outputs(torch.zeros(2, 3), torch.zeros(2, 1))
    batch = Batch(outputs, torch.zeros(2), 0, {"distill": torch.tensor([[1.0], [3.0]])}, 1.0, ours)
    assert float(adapter.penalty(batch)) == pytest.approx(3.0 * (1 + 9) / 2)
