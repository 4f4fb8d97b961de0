from __future__ import annotations

import numpy as np
import pytest

from medplug.core.evaluation.utility import THRESHOLDS, benefit_of_all, net_benefit


def plain(truth, chances, weights, threshold):
    """Net benefit by its definition, row by row."""
    acted = chances >= threshold
    true, false = (weights[acted & side].sum() for side in (truth, ~truth))
    return (true - false * threshold / (1 - threshold)) / weights.sum()


def test_net_benefit_is_its_definition_with_ties_and_weights() -> None:
    draw = np.random.default_rng(0)
    truth, chances = draw.random(100) < 0.3, np.round(draw.random(100), 2)
    weights = draw.integers(0, 4, (3, 100)).astype(float)
    found, every = net_benefit(truth, chances)(weights), benefit_of_all(truth)(weights)
    for b, i in np.ndindex(found.shape):
        assert found[b, i] == pytest.approx(plain(truth, chances, weights[b], THRESHOLDS[i]), abs=1e-12)
        assert every[b, i] == pytest.approx(plain(truth, np.ones(100), weights[b], THRESHOLDS[i]), abs=1e-12)


def test_a_perfect_model_has_the_share_of_positive_rows_at_every_threshold() -> None:
    truth = np.arange(10) < 3
    assert net_benefit(truth, truth.astype(float))(np.ones((1, 10)))[0] == pytest.approx(0.3)


def test_acting_on_none_is_worth_nothing() -> None:
    assert not net_benefit(np.arange(10) < 3, np.zeros(10))(np.ones((1, 10))).any()
