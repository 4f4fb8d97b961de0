"""The intervals hold what they say: over many samples 95 % of them have the truth inside."""

from __future__ import annotations

from math import erf

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation.scores import estimate

SEPSIS = Target("binary", ("no", "yes"))
SAMPLES, RESAMPLES = 200, 200
APART = 1.0
AUROC = 0.5 * (1 + erf(APART / 2))
"""Of scores of two normal distributions so far apart, of deviation 1."""


def sample(draw, groups, size):
    """Groups whose rows share a label and half of the score's variance: rows of one are far from independent."""
    labels = np.repeat(draw.integers(0, 2, groups), size)
    own, shared = draw.normal(size=groups * size), np.repeat(draw.normal(size=groups), size)
    scores = APART * labels + (np.sqrt(0.5) * (own + shared) if size > 1 else own)
    positive = 1 / (1 + np.exp(-scores))
    return labels, np.column_stack([1 - positive, positive]), np.repeat(np.arange(groups), size)


def covered(size, *, by_group):
    draw, inside = np.random.default_rng(0), 0
    for seed in range(SAMPLES):
        labels, chances, groups = sample(draw, 80, size)
        how = {"groups": groups if by_group else None, "resamples": RESAMPLES, "seed": seed}
        found = estimate(SEPSIS, labels, chances, ["auroc"], **how)["auroc"]
        inside += found.low <= AUROC <= found.high
    return inside / SAMPLES


@pytest.mark.parametrize("size", [1, 6])
def test_an_interval_by_what_is_independent_has_the_truth_inside_about_95_times_of_100(size: int) -> None:
    assert 0.9 <= covered(size, by_group=size > 1) <= 0.985


def test_an_interval_by_rows_of_patients_with_several_is_far_too_narrow() -> None:
    assert covered(6, by_group=False) < 0.85
