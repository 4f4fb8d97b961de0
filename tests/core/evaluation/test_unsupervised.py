from __future__ import annotations

import numpy as np
import pytest

from medplug.core.evaluation import unsupervised
from medplug.core.evaluation.unsupervised import (
    deep_embedded_validation,
    importance_weighted_risk,
    information_maximisation,
    mean_over_labels,
    soft_neighbourhood_density,
)


def dirichlet(rows, classes, concentration=0.5, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, concentration), rows)


def shifted(rows, rng):
    """Losses and true density ratios of source rows N(0, 1) for a target N(0.7, 1), whose risk is 1 + 0.7^2."""
    x = rng.normal(size=rows)
    return 0.5 + 0.5 * x**2 + 0.5 * rng.random(rows) + 0.245, np.exp(0.7 * x - 0.245)


TARGET_RISK = 0.5 + 0.5 * (1 + 0.7**2) + 0.25 + 0.245


def test_equal_weights_give_the_plain_mean():
    losses = np.random.default_rng(0).random(30)
    for risk in (importance_weighted_risk, deep_embedded_validation):
        assert risk(losses, np.ones(30)) == pytest.approx(losses.mean())


def test_the_importance_weighted_risk_counts_a_row_by_its_weight_up_to_a_factor():
    losses, weights = np.array([1.0, 2.0, 5.0]), np.array([2.0, 1.0, 0.0])
    assert importance_weighted_risk(losses, weights) == pytest.approx((1 + 1 + 2) / 3)
    assert importance_weighted_risk(losses, 9 * weights) == pytest.approx(importance_weighted_risk(losses, weights))


def test_deep_embedded_validation_is_its_definition():
    losses, weights = shifted(50, np.random.default_rng(0))
    product = weights * losses
    slope = -np.cov(product, weights)[0, 1] / np.var(weights, ddof=1)
    wanted = product.mean() + slope * weights.mean() - slope
    assert deep_embedded_validation(losses, weights) == pytest.approx(wanted)


def test_both_risks_find_the_target_risk_and_the_control_variate_has_the_least_variance():
    rng = np.random.default_rng(0)
    samples = [shifted(1000, rng) for _ in range(1500)]
    plain = np.array([np.mean(weights * losses) for losses, weights in samples])
    weighted = np.array([importance_weighted_risk(*sample) for sample in samples])
    dev = np.array([deep_embedded_validation(*sample) for sample in samples])
    for estimates in (plain, weighted, dev):
        assert estimates.mean() == pytest.approx(TARGET_RISK, abs=0.01)
    assert dev.var() < 0.9 * weighted.var() < weighted.var() < plain.var()


def test_a_constant_loss_is_estimated_without_any_variance():
    _, weights = shifted(20, np.random.default_rng(0))
    assert deep_embedded_validation(np.full(20, 0.3), weights) == pytest.approx(0.3)
    assert importance_weighted_risk(np.full(20, 0.3), weights) == pytest.approx(0.3)


def plain_density(probabilities, temperature):
    unit = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    entropies = []
    for i, row in enumerate(unit):
        likeness = np.exp(np.delete(unit @ row, i) / temperature)
        share = likeness / likeness.sum()
        entropies.append(-sum(p * np.log(p) for p in share if p > 0))
    return np.mean(entropies)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_density_is_its_definition_whatever_the_blocks(temperature, monkeypatch):
    probabilities = dirichlet(37, 4)
    wanted = plain_density(probabilities, temperature)
    for block_bytes in (2**25, 37 * 8 * 5, 1):
        monkeypatch.setattr(unsupervised, "BLOCK_BYTES", block_bytes)
        assert soft_neighbourhood_density(probabilities, temperature) == pytest.approx(wanted)


def test_density_counts_the_neighbours_that_are_alike():
    assert soft_neighbourhood_density(np.tile([0.2, 0.8], (9, 1))) == pytest.approx(np.log(8))
    for clusters, size in ((3, 5), (5, 3)):
        rows = np.repeat(np.eye(clusters), size, axis=0)
        assert soft_neighbourhood_density(rows) == pytest.approx(np.log(size - 1), abs=1e-4)


def test_information_is_the_entropy_of_the_mean_less_the_mean_entropy():
    probabilities = dirichlet(30, 4)
    mean = probabilities.mean(axis=0)
    wanted = -(mean * np.log(mean)).sum() + (probabilities * np.log(probabilities)).sum(axis=1).mean()
    assert information_maximisation(probabilities) == pytest.approx(wanted)


def test_information_is_from_zero_where_all_are_alike_to_log_classes_where_all_are_certain_and_balanced():
    assert information_maximisation(np.tile([0.3, 0.7], (8, 1))) == pytest.approx(0, abs=1e-15)
    assert information_maximisation(np.tile(np.eye(4), (3, 1))) == pytest.approx(np.log(4))
    assert information_maximisation(dirichlet(200, 4, 0.1)) > information_maximisation(dirichlet(200, 4, 1.0))


@pytest.mark.parametrize("criterion", [information_maximisation, soft_neighbourhood_density])
def test_the_order_of_rows_and_classes_does_not_matter(criterion):
    probabilities, rng = dirichlet(25, 4), np.random.default_rng(1)
    moved = probabilities[rng.permutation(25)][:, rng.permutation(4)]
    assert criterion(moved) == pytest.approx(criterion(probabilities))


def test_multilabel_is_the_mean_over_labels_of_two_columns_each():
    chances = np.random.default_rng(0).random((20, 3))
    wanted = [information_maximisation(np.column_stack([1 - chance, chance])) for chance in chances.T]
    assert mean_over_labels(information_maximisation, chances) == pytest.approx(np.mean(wanted))


def test_the_negative_of_the_information_is_the_loss_of_that_name():
    import torch

    from medplug.core.transfer.entropy import information_maximisation as loss

    logits = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert information_maximisation(logits.softmax(1).numpy()) == pytest.approx(-float(loss(logits)))


def test_what_cannot_be_judged_is_refused_with_its_shape():
    for risk in (importance_weighted_risk, deep_embedded_validation):
        with pytest.raises(ValueError, match=r"both be \[n\].*\(3,\) and \(2,\)"):
            risk(np.ones(3), np.ones(2))
        for weights in (np.zeros(2), np.array([1.0, -1.0]), np.array([1.0, np.nan])):
            with pytest.raises(ValueError, match="weights at least 0"):
                risk(np.ones(2), weights)
    for criterion in (information_maximisation, soft_neighbourhood_density):
        with pytest.raises(ValueError, match=r"1 - p and p.*got shape \(4, 1\)"):
            criterion(np.ones((4, 1)))
        with pytest.raises(ValueError, match="mean_over_labels"):
            criterion(np.full((4, 3), 0.9))
    for rows, temperature in ((1, 0.05), (5, 0.0)):
        with pytest.raises(ValueError, match="two rows and a temperature above 0"):
            soft_neighbourhood_density(dirichlet(rows, 3), temperature)
    with pytest.raises(ValueError, match=r"\[rows, labels\]"):
        mean_over_labels(information_maximisation, np.ones(3))
    with pytest.raises(ValueError, match="from 0 to 1"):
        mean_over_labels(information_maximisation, np.full((2, 2), 1.5))
