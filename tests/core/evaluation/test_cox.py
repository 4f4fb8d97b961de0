from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.baseline import plain_baseline
from medplug.core.evaluation.cox import fit_cox
from medplug.core.evaluation.scores import point

DEATH = Target("survival", ("death",))
TRUTH = np.array([1.0, -0.5, 0.0])

Array = NDArray[np.float64]


def patients(rows: int, seed: int = 0, unit: float = 1.0) -> tuple[Array, Array]:
    """Three features, the hazard of exponential times by them, and censoring at random; times have ties."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, 3))
    times, seen = draw.exponential(np.exp(-features @ TRUTH)), draw.exponential(1.5, rows)
    labels = np.column_stack([np.ceil(10 * np.minimum(times, seen)) * unit, times <= seen])
    return features, labels.astype(np.float64)


def fit(features: Any, labels: Array, **how: Any) -> Any:
    given: dict[str, Any] = {"metric": "c_index", "standardise": False, "strengths": (1.0,), **how}
    return fit_cox(features, labels, features, labels, DEATH, **given)


def penalised(features: Array, labels: Array, strength: float, counts: Array | None = None) -> Array:
    """The weights by a general optimiser, on rows repeated."""
    if counts is not None:
        features, labels = (
            np.repeat(features, counts.astype(int), axis=0),
            np.repeat(labels, counts.astype(int), axis=0),
        )

    def loss(weight: Array) -> float:
        risk = features @ weight
        events = [
            np.log(np.exp(risk[labels[:, 0] >= at]).sum()) - own
            for (at, came), own in zip(labels, risk, strict=True)
            if came
        ]
        return float(sum(events) + weight @ weight / (2 * strength))

    return np.asarray(minimize(loss, np.zeros(features.shape[1]), method="BFGS", options={"gtol": 1e-6}).x)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_the_head_is_the_optimum_of_the_penalised_likelihood(strength: float) -> None:
    features, labels = patients(60)
    head = fit(features, labels, strengths=(strength,))
    np.testing.assert_allclose(head.weight[0], penalised(features, labels, strength), atol=1e-4)
    assert head.weight.shape == (1, 3) and head.bias.shape == (1,)
    assert np.mean(features @ head.weight[0] + head.bias) == pytest.approx(0, abs=1e-9)


def test_a_sparse_matrix_gives_the_head_of_the_dense_one() -> None:
    features, labels = patients(60)
    dense, thin = fit(features, labels), fit(sparse.csr_matrix(features), labels)
    np.testing.assert_allclose(thin.weight, dense.weight, atol=1e-6)
    np.testing.assert_allclose(thin.bias, dense.bias, atol=1e-6)


def test_a_weight_counts_a_row_so_often_among_events_and_those_at_risk() -> None:
    features, labels = patients(50)
    counts = np.random.default_rng(5).integers(1, 4, 50).astype(float)
    head = fit(features, labels, row_weights=counts)
    np.testing.assert_allclose(head.weight[0], penalised(features, labels, 1.0, counts), atol=1e-4)


def test_enough_rows_bring_back_what_the_times_were_made_by() -> None:
    features, labels = patients(3000)
    head = fit(features, labels, strengths=(1e3,))
    np.testing.assert_allclose(head.weight[0], TRUTH, atol=0.12)  # ties, rounded up, weaken it a little
    later, others = patients(500, seed=1)
    assert point(DEATH, others, later @ head.weight.T + head.bias, "c_index") > 0.7


def test_units_of_time_and_of_standardised_features_change_nothing() -> None:
    features, labels = patients(80)
    head = fit(features, labels, standardise=True)
    later = fit(features, patients(80, unit=365.0)[1], standardise=True)
    np.testing.assert_allclose(later.weight, head.weight, atol=1e-6)
    scaled = fit(np.column_stack([1000 * features + 7, np.full(80, 3.0)]), labels, standardise=True)
    np.testing.assert_allclose(scaled.weight[0], [*head.weight[0] / 1000, 0], atol=1e-8)


def test_the_strength_is_chosen_on_validation_and_told() -> None:
    features, labels = patients(40)
    noise = np.random.default_rng(0).normal(size=(40, 30))
    later, others = patients(300, seed=2)
    wide = np.column_stack([later, np.random.default_rng(1).normal(size=(300, 30))])
    head = fit_cox(np.column_stack([features, noise]), labels, wide, others, DEATH, metric="c_index", standardise=True)
    tried = head.notes["tried"]
    assert len(tried) == 8 and head.notes["validation"] == {"c_index": max(tried.values())}
    censored = others * [1, 0]
    undefined = fit_cox(features, labels, later, censored, DEATH, metric="c_index", standardise=True)
    assert undefined.notes["strength"] == 1e-4 and undefined.notes["validation"].keys() == {"cox_loss"}


def test_rows_without_an_event_fit_no_head() -> None:
    features, labels = patients(20)
    with pytest.raises(DataError, match="training rows with an event"):
        fit(features, labels * [1, 0])
    with pytest.raises(DataError, match="validation rows"):
        fit_cox(features, labels, features[:0], labels[:0], DEATH, metric="c_index", standardise=False)


class _Numbers:
    def fit_transform(self, rows: Any) -> Any:
        return self.transform(rows)

    def transform(self, rows: Any) -> Any:
        return np.array(rows)


def test_the_plain_baseline_knows_the_risk_and_its_majority_does_not() -> None:
    (train, ours), (validation, theirs), (test, truth) = (patients(200, seed=each) for each in range(3))
    parts = (train.tolist(), ours, validation.tolist(), theirs, test.tolist())
    found = plain_baseline(_Numbers(), *parts, DEATH, "c_index", {"none": None}, seed=0)
    assert point(DEATH, truth, found.majority, "c_index") == 0.5
    assert point(DEATH, truth, found.linear, "c_index") > 0.65
