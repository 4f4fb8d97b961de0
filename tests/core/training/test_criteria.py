"""Measures of a model on the target domain, held to their formulas written plainly."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.training import criteria
from medplug.core.training.criteria import GREATER_IS_BETTER, target_criteria, validation_weights
from medplug.core.transfer.importance import classifier_density_ratio

TARGETS = {
    "binary": Target("binary", ("no", "yes")),
    "multiclass": Target("multiclass", ("a", "b", "c")),
    "multilabel": Target("multilabel", ("a", "b", "c")),
}
VALIDATION, UNLABELLED = 25, 18
every_kind = pytest.mark.parametrize("kind", TARGETS)


class Known:
    """Features of two domains; it counts how often they were asked for."""

    def __init__(self, *, encoded: bool = True, validation: int = VALIDATION, unlabelled: int = UNLABELLED) -> None:
        draw = np.random.default_rng(0)
        self.encoded, self.asked = encoded, 0
        self.density: Any = None
        self._splits = {
            "validation": draw.normal(size=(validation, 3)).astype(np.float32),
            "unlabelled": (draw.normal(size=(unlabelled, 3)) + 0.7).astype(np.float32),
        }

    @property
    def splits(self) -> dict[str, NDArray[np.float32]]:
        self.asked += 1
        return self._splits


def the_job(target: Target) -> Any:
    draw = np.random.default_rng(1)
    several = target.kind == "multilabel"
    labels = draw.integers(0, 2 if several else len(target.classes), (VALIDATION, 3) if several else VALIDATION)
    plan = SimpleNamespace(run=SimpleNamespace(seed=0))
    return SimpleNamespace(dataset=SimpleNamespace(target=target, labels={"validation": labels}), plan=plan)


def some_logits(target: Target) -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(2)
    sizes = {"validation": VALIDATION, "unlabelled": UNLABELLED}
    return {name: 2 * draw.normal(size=(n, target.outputs)).astype(np.float32) for name, n in sizes.items()}


def judged(kind: str, frozen: Any, **how: Any) -> dict[str, float]:
    return target_criteria(the_job(TARGETS[kind]), frozen, some_logits(TARGETS[kind]), **how)


def questions(target: Target, logits: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Each question that the logits answer, as probabilities that sum to one a row."""
    wide = logits.astype(np.float64)
    if target.kind == "multiclass":
        return [np.exp(wide) / np.exp(wide).sum(1, keepdims=True)]
    chances = 1 / (1 + np.exp(-wide))
    return [np.stack([1 - chance, chance], axis=1) for chance in chances.T]


def entropy(shares: Any) -> float:
    return -sum(share * math.log(share) for share in shares if share > 0)


def information(rows: NDArray[np.float64]) -> float:
    return entropy(rows.mean(0)) - float(np.mean([entropy(row) for row in rows]))


def density(rows: NDArray[np.float64]) -> float:
    found = []
    for i, row in enumerate(rows):
        others = [other for j, other in enumerate(rows) if j != i]
        alike = [math.exp(row @ other / math.sqrt((row @ row) * (other @ other)) / 0.05) for other in others]
        found.append(entropy([each / sum(alike) for each in alike]))
    return float(np.mean(found))


def plain_losses(target: Target, logits: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
    asked = questions(target, logits)
    if target.kind != "multilabel":
        return np.array([-math.log(row[label]) for row, label in zip(asked[0], labels, strict=True)])
    return np.array(
        [
            np.mean([-math.log(chances[i][label]) for chances, label in zip(asked, row, strict=True)])
            for i, row in enumerate(labels)
        ]
    )


@every_kind
def test_certainty_and_density_are_of_the_unlabelled_rows_and_averaged_over_labels(kind: str) -> None:
    target = TARGETS[kind]
    found = judged(kind, Known(encoded=False))
    asked = questions(target, some_logits(target)["unlabelled"])
    assert len(asked) == (3 if kind == "multilabel" else 1) and set(found) == {"infomax", "snd"}
    assert found["infomax"] == pytest.approx(np.mean([information(rows) for rows in asked]))
    assert found["snd"] == pytest.approx(np.mean([density(rows) for rows in asked]))


@every_kind
def test_risks_are_of_the_validation_rows_weighted_towards_the_target(kind: str) -> None:
    target, frozen = TARGETS[kind], Known()
    found = judged(kind, frozen)
    losses = plain_losses(target, some_logits(target)["validation"], the_job(target).dataset.labels["validation"])
    features = frozen.splits
    weights = classifier_density_ratio(features["validation"], features["unlabelled"], mean_one=False, seed=0)
    assert np.ptp(weights) > 0.1 and abs(weights.mean() - 1) > 1e-3
    assert found["iwv"] == pytest.approx((weights * losses).sum() / weights.sum())
    slope = np.cov(weights * losses, weights)[0, 1] / np.var(weights, ddof=1)
    assert found["dev"] == pytest.approx((weights * losses).mean() - slope * (weights.mean() - 1))
    assert set(found) == set(GREATER_IS_BETTER)


def test_a_row_that_was_thought_impossible_costs_much_and_not_everything() -> None:
    logits = some_logits(TARGETS["multiclass"])
    logits["validation"][:] = [0, 0, 2000]
    found = target_criteria(the_job(TARGETS["multiclass"]), Known(), logits)
    assert 1 < found["iwv"] < 30


@every_kind
def test_nothing_is_judged_without_unlabelled_rows(kind: str) -> None:
    logits = {"validation": some_logits(TARGETS[kind])["validation"]}
    assert target_criteria(the_job(TARGETS[kind]), Known(), logits, importance=True) == {}  # type: ignore[arg-type]


def test_features_are_made_for_a_risk_only_where_it_chooses() -> None:
    unasked, asked = Known(encoded=False), Known(encoded=False)
    judged("binary", unasked)
    assert unasked.asked == 0
    assert {"iwv", "dev"} <= set(judged("binary", asked, importance=True)) and asked.asked > 0


def test_densities_are_worked_out_once() -> None:
    frozen: Any = Known()
    job = the_job(TARGETS["binary"])
    first = validation_weights(job, frozen)
    asked = frozen.asked
    assert validation_weights(job, frozen) is first and frozen.asked == asked


@pytest.mark.parametrize(
    ("validation", "unlabelled", "names"),
    [(25, 4, {"infomax", "snd"}), (4, 18, {"infomax", "snd"}), (25, 1, {"infomax"}), (5, 5, set(GREATER_IS_BETTER))],
)
def test_too_few_rows_are_left_unjudged(validation: int, unlabelled: int, names: set[str]) -> None:
    target, job = TARGETS["multiclass"], the_job(TARGETS["multiclass"])
    job.dataset.labels["validation"] = job.dataset.labels["validation"][:validation]
    counts = {"validation": validation, "unlabelled": unlabelled}
    logits = {split: rows[: counts[split]] for split, rows in some_logits(target).items()}
    found = target_criteria(job, Known(**counts), logits)  # type: ignore[arg-type]
    assert set(found) == names and all(math.isfinite(value) for value in found.values())


@every_kind
@pytest.mark.parametrize(("most", "stride"), [(18, 1), (17, 2), (5, 4)])
def test_an_even_sample_of_many_rows_stands_for_their_density(
    most: int, stride: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(criteria, "_MOST_ROWS", most)
    asked = questions(TARGETS[kind], some_logits(TARGETS[kind])["unlabelled"])
    found = judged(kind, Known(encoded=False))
    assert found["snd"] == pytest.approx(np.mean([density(rows[::stride]) for rows in asked]))
    assert found["infomax"] == pytest.approx(np.mean([information(rows) for rows in asked]))


def test_of_a_number_only_the_weighed_squared_errors_are_had() -> None:
    target = Target("regression", ("dose",), 500.0, 40.0)
    labels = 500 + 40 * np.random.default_rng(3).normal(size=VALIDATION)
    job, logits = the_job(TARGETS["binary"]), some_logits(target)
    job.dataset = SimpleNamespace(target=target, labels={"validation": labels})
    assert target_criteria(job, Known(encoded=False), logits) == {}
    found = target_criteria(job, Known(), logits)
    losses = (logits["validation"][:, 0] - (labels - 500) / 40) ** 2
    weights = validation_weights(job, Known())
    assert set(found) == {"iwv", "dev"}
    assert found["iwv"] == pytest.approx((weights * losses).sum() / weights.sum())
