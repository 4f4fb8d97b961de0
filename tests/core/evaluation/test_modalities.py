"""What each modality adds, held to plain sums over the orders in which modalities can come."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.evaluation.modalities import Subset, what_each_adds
from medplug.core.evaluation.scores import point

ROWS = 60
TARGETS = {
    "binary": (Target("binary", ("no", "yes")), ("auroc", "log_loss", "f1")),
    "multiclass": (Target("multiclass", ("a", "b", "c")), ("macro_f1", "log_loss")),
    "regression": (Target("regression", ("stay",), 1.0, 2.0), ("mae",)),
    "survival": (Target("survival", ("death",)), ("c_index",)),
}
Predictions = dict[Subset, NDArray[np.float64]]


def cases(kind: str, slots: tuple[str, ...], missing: float = 0.0) -> tuple[NDArray[Any], Predictions, NDArray[Any]]:
    """Labels, predictions that are better the more modalities they see, and those of nothing."""
    draw = np.random.default_rng(4)
    target, _ = TARGETS[kind]
    labels: NDArray[Any] = draw.integers(0, max(len(target.classes), 2), ROWS)
    if kind == "regression":
        labels = draw.normal(1, 2, ROWS)
    if kind == "survival":
        labels = np.column_stack([draw.exponential(5, ROWS), draw.integers(0, 2, ROWS)])
    subsets = [chosen for size in range(1, len(slots) + 1) for chosen in combinations(slots, size)]
    predicted = {chosen: predictions(draw, target, labels, 0.5 * len(chosen)) for chosen in subsets}
    for chosen in subsets[: len(slots)]:
        predicted[chosen][draw.random(ROWS) < missing] = np.nan
    width = predicted[slots].shape[1]
    share = 1.0 if kind in ("regression", "survival") else 1 / width
    return labels, predicted, np.full((ROWS, width), share)


def predictions(draw: Any, target: Target, labels: NDArray[Any], skill: float) -> NDArray[np.float64]:
    if target.kind == "survival":
        return np.asarray((-skill * np.log(labels[:, 0]) + draw.normal(size=ROWS))[:, None])
    if target.kind == "regression":
        return np.asarray((labels + draw.normal(scale=2 - skill, size=ROWS))[:, None])
    logits = draw.normal(size=(ROWS, len(target.classes))) + skill * 2 * np.eye(len(target.classes))[labels]
    return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


@pytest.mark.parametrize(("kind", "metric"), [(kind, name) for kind, (_, names) in TARGETS.items() for name in names])
@pytest.mark.parametrize("slots", [("a", "b"), ("text", "image", "tabular")])
def test_shapley_values_are_the_mean_over_all_orders_and_sum_to_all_minus_nothing(
    kind: str, metric: str, slots: tuple[str, ...]
) -> None:
    target = TARGETS[kind][0]
    labels, predicted, nothing = cases(kind, slots, missing=0.2)
    found = what_each_adds(target, labels, predicted, nothing, metric, resamples=50)

    def worth(chosen: tuple[str, ...]) -> float:
        shown = predicted[chosen].copy() if chosen else nothing.copy()
        lacks = np.isnan(shown).any(1)
        shown[lacks] = nothing[lacks]
        return point(target, labels, shown, metric)

    plain = dict.fromkeys(slots, 0.0)
    orders = list(permutations(slots))
    for order in orders:
        for place, name in enumerate(order):
            before = tuple(slot for slot in slots if slot in order[:place])
            after = tuple(slot for slot in slots if slot in order[: place + 1])
            plain[name] += (worth(after) - worth(before)) / len(orders)
    for slot, value in plain.items():
        assert found.shapley[slot].value == pytest.approx(value, abs=1e-9)
    assert sum(each.value for each in found.shapley.values()) == pytest.approx(worth(slots) - worth(()), abs=1e-9)
    for chosen, each in found.subsets.items():
        assert each.value == pytest.approx(worth(chosen), abs=1e-9)
    assert list(found.subsets) == list(predicted)


def test_a_modality_that_changes_nothing_adds_nothing_with_certainty() -> None:
    labels, predicted, nothing = cases("binary", ("a", "b"))
    idle = {("a",): predicted["a", "b"], ("b",): nothing, ("a", "b"): predicted["a", "b"]}
    found = what_each_adds(TARGETS["binary"][0], labels, idle, nothing, "auroc", resamples=100)
    idle_one = found.shapley["b"]
    assert max(abs(idle_one.value), abs(idle_one.low), abs(idle_one.high)) < 1e-12
    assert found.shapley["a"].value == pytest.approx(found.subsets["a", "b"].value - 0.5)


def test_rows_without_any_of_a_choice_count_with_the_prediction_from_nothing() -> None:
    target, labels = TARGETS["binary"][0], np.array([0, 1] * 10)
    perfect = np.eye(2)[labels] * 0.98 + 0.01
    half = perfect.copy()
    half[:10] = np.nan
    nothing = np.full((20, 2), 0.5)
    found = what_each_adds(target, labels, {("a",): half, ("b",): perfect, ("a", "b"): perfect}, nothing, "log_loss")
    assert found.subsets[("a",)].value == pytest.approx((np.log(2) - np.log(0.99)) / 2)


def test_equal_seeds_give_equal_intervals_and_groups_widen_the_resampling() -> None:
    labels, predicted, nothing = cases("binary", ("a", "b"))
    target = TARGETS["binary"][0]
    one, two = (what_each_adds(target, labels, predicted, nothing, "auroc", seed=3, resamples=60) for _ in range(2))
    assert one == two
    groups = [f"p{i // 6}" for i in range(ROWS)]
    by_patient = what_each_adds(target, labels, predicted, nothing, "auroc", seed=3, resamples=60, groups=groups)
    assert by_patient.shapley["a"].value == one.shapley["a"].value
    assert by_patient.shapley["a"] != one.shapley["a"]
