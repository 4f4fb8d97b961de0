"""The conditional logit against a plain float64 reference, and what it must not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.adapter import FitData
from medplug.core.answers.options import LETTERS
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.conditional import among_options, fit_conditional, tied_head
from medplug.core.evaluation.linear import head_probabilities
from medplug.core.evaluation.metrics import fallback, metric_names
from medplug.core.evaluation.probe import fit_probe
from medplug.core.evaluation.scores import estimate, per_class

TARGET = Target("choice", tuple(LETTERS))
TRUE = np.array([1.5, -1.0, 0.0, 0.5])
Floats = NDArray[np.float64]


def drawn(rows: int, seed: int) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Blocks of questions whose right options go by `TRUE`, the right ones and how many options each has."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(2, 9, rows)
    blocks = np.zeros((rows, 8, 5))
    right = np.zeros(rows, dtype=np.int64)
    for row, count in enumerate(counts):
        blocks[row, :count, :4] = draw.normal(size=(count, 4)) * [1, 2, 1, 0.1]
        blocks[row, :count, 4] = 1
        right[row] = (blocks[row, :count, :4] @ TRUE + draw.gumbel(size=count)).argmax()
    return blocks.reshape(rows, -1), right, counts


def fitted(blocks: Floats, right: NDArray[np.int64], *, strength: float = 1.0, **how: Any) -> Any:
    given: dict[str, Any] = {"metric": "accuracy", "strengths": [strength], "standardise": False, **how}
    return fit_conditional(blocks, right, blocks, right, TARGET, **given)


def slope(weight: Floats, blocks: Floats, right: NDArray[np.int64], counts: NDArray[np.int64], c: float) -> Floats:
    """The gradient of the penalised negative log likelihood, option by option."""
    found = weight / c
    for row, place, count in zip(blocks.reshape(len(right), 8, 5), right, counts, strict=True):
        scores = row[:count, :4] @ weight
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        found = found + chances @ row[:count, :4] - row[place, :4]
    return found


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_the_weights_are_where_the_penalised_likelihood_has_no_slope(strength: float) -> None:
    blocks, right, counts = drawn(120, 0)
    weight = fitted(blocks, right, strength=strength).weight[0, :4]
    assert np.abs(slope(weight, blocks, right, counts, strength)).max() < 1e-3
    assert np.abs(slope(weight + 0.05, blocks, right, counts, strength)).max() > 0.1


def test_what_the_options_go_by_is_found() -> None:
    blocks, right, _ = drawn(4000, 1)
    weight = fitted(blocks, right, strength=1e3).weight[0, :4]
    np.testing.assert_allclose(weight[:3], TRUE[:3], atol=0.15)


def test_the_head_has_the_probabilities_of_the_options_that_there_are_and_none_for_others() -> None:
    blocks, right, counts = drawn(30, 2)
    head = fitted(blocks, right)
    found = head_probabilities(head, blocks, TARGET)
    for row, each, count in zip(blocks.reshape(30, 8, 5), found, counts, strict=True):
        expected = np.exp(row[:count, :4] @ head.weight[0, :4])
        np.testing.assert_allclose(each[:count], expected / expected.sum(), rtol=1e-9)
        assert (each[count:] == 0).all()


@pytest.mark.parametrize("standardise", [False, True])
def test_neither_a_shift_of_all_options_nor_their_order_changes_a_probability(standardise: bool) -> None:
    blocks, right, counts = drawn(80, 3)
    moved, turned = blocks.reshape(80, 8, 5).copy(), blocks.reshape(80, 8, 5).copy()
    moved[..., :4] += np.where(moved[..., 4:] > 0, 3.0, 0.0)
    for row, count in zip(turned, counts, strict=True):
        row[:count] = row[:count][::-1]
    other = counts - 1 - right
    found = head_probabilities(fitted(blocks, right, standardise=standardise), blocks, TARGET)
    moved = moved.reshape(80, -1)
    shifted = head_probabilities(fitted(moved, right, standardise=standardise), moved, TARGET)
    np.testing.assert_allclose(shifted, found, atol=1e-4)
    flat = turned.reshape(80, -1)
    reversed_ = head_probabilities(fitted(flat, other, standardise=standardise), flat, TARGET)
    for one, two, count in zip(found, reversed_, counts, strict=True):
        np.testing.assert_allclose(two[:count], one[:count][::-1], atol=1e-4)


def test_a_unit_changes_nothing_where_columns_are_standardised_and_a_constant_one_has_no_weight() -> None:
    blocks, right, _ = drawn(80, 4)
    scaled = blocks.reshape(80, 8, 5).copy()
    scaled[..., 1] *= 1000
    scaled[..., 2] = scaled[..., 4] * 7  # constant where there is an option
    one = fitted(blocks.reshape(80, 8, 5)[:, :, [0, 1, 3, 4]].reshape(80, -1), right, standardise=True)
    other = fitted(scaled.reshape(80, -1), right, standardise=True)
    assert other.weight[0, 2] == 0
    np.testing.assert_allclose(other.weight[0, 1] * 1000, one.weight[0, 1], rtol=1e-3)


def test_a_weight_of_two_counts_a_row_twice() -> None:
    blocks, right, _ = drawn(40, 5)
    twice = np.concatenate([blocks, blocks[:10]]), np.concatenate([right, right[:10]])
    weights = np.where(np.arange(40) < 10, 2.0, 1.0)
    np.testing.assert_allclose(
        fitted(blocks, right, row_weights=weights).weight[0, :4], fitted(*twice).weight[0, :4], atol=1e-4
    )


def test_the_strength_is_chosen_on_validation_and_two_fits_are_equal() -> None:
    blocks, right, _ = drawn(60, 6)
    other, wanted, _ = drawn(200, 7)
    how: dict[str, Any] = {"metric": "log_loss", "standardise": True}
    one, two = (fit_conditional(blocks, right, other, wanted, TARGET, **how) for _ in range(2))
    np.testing.assert_array_equal(one.weight, two.weight)
    tried = {float(name): score for name, score in one.notes["tried"].items()}
    assert one.notes["strength"] == min(tried, key=lambda c: tried[c])


def test_the_probe_of_a_choice_is_a_conditional_logit() -> None:
    blocks, right, _ = drawn(60, 8)
    data = FitData(
        blocks.astype(np.float32), right, blocks.astype(np.float32), right, TARGET, "accuracy", {"none": None}, 0
    )
    expected = fit_conditional(data.features, right, data.features, right, TARGET, metric="accuracy", standardise=True)
    np.testing.assert_array_equal(fit_probe(data).weight, expected.weight)


def test_scores_stay_far_above_that_of_an_absent_option_however_far_features_lie_from_zero() -> None:
    blocks, right, counts = drawn(60, 9)
    far = blocks.reshape(60, 8, 5).copy()
    far[..., 1] += 1e6 * far[..., 4]
    found = head_probabilities(fitted(far.reshape(60, -1), right, standardise=True), far.reshape(60, -1), TARGET)
    assert all((row[count:] == 0).all() and (row[:count] > 0).all() for row, count in zip(found, counts, strict=True))


def test_a_table_without_rows_is_refused() -> None:
    blocks, right, _ = drawn(3, 0)
    with pytest.raises(DataError, match="training rows to fit on"):
        fit_conditional(blocks[:0], right[:0], blocks, right, TARGET, metric="accuracy", standardise=False)


def test_frequencies_of_letters_are_shared_among_the_options_of_each_row() -> None:
    blocks = tied_blocks([2, 3])
    shares = np.array([[0.5, 0.25, 0.25, 0, 0, 0, 0, 0], [0, 0, 0, 1.0, 0, 0, 0, 0]])
    found = among_options(shares, blocks)
    np.testing.assert_allclose(found[0, :3], [2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found[1, :4], [1 / 3, 1 / 3, 1 / 3, 0])  # none of its letters was ever right
    assert tied_head(np.ones(1), 0.0, 8).weight.shape == (8, 16)


def tied_blocks(counts: list[int]) -> Floats:
    found = np.zeros((len(counts), 8, 2))
    for row, count in zip(found, counts, strict=True):
        row[:count] = 1
    return found.reshape(len(counts), -1)


def test_a_choice_is_measured_by_accuracy_and_probabilities_and_not_by_letter() -> None:
    assert metric_names("choice") == ("accuracy", "log_loss", "brier", "ece") and fallback("choice") == "log_loss"
    probabilities = np.zeros((4, 8))
    probabilities[:, :3] = [[0.6, 0.4, 0], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]
    labels = np.array([0, 0, 2, 0])
    found = estimate(TARGET, labels, probabilities, metric_names("choice"), resamples=20)
    assert found["accuracy"].value == 0.75
    np.testing.assert_allclose(found["log_loss"].value, -np.log([0.6, 0.2, 0.7, 0.5]).mean())
    expected = np.square(probabilities - np.eye(8)[labels]).sum(1).mean()
    np.testing.assert_allclose(found["brier"].value, expected)
    assert list(per_class(TARGET, labels, probabilities, resamples=20)) == ["A", "B", "C"]  # D to H no row has
