"""Scores of single entities, against the same metrics on the rows of each alone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation import entities
from medplug.core.evaluation.entities import LEAST_ROWS, score_entities, told_of
from medplug.core.evaluation.scores import point

METRICS = {
    "binary": ("auroc", "auprc", "ef1", "f1", "brier"),
    "regression": ("mse", "c_index", "rm2", "spearman"),
    "multiclass": ("macro_f1", "log_loss"),
}
CLASSES = {"binary": ("no", "yes"), "regression": ("pKd",), "multiclass": ("a", "b", "c")}


def problem(kind, rows=600, seed=0):
    """Labels, predictions, and to which of about 30 entities of 1 to 60 rows each row belongs."""
    draw = np.random.default_rng(seed)
    target = Target(kind, CLASSES[kind])
    at = np.unique(draw.geometric(0.07, rows), return_inverse=True)[1]
    if kind == "regression":
        labels = np.round(draw.normal(7, 1, rows), 1)
        return target, labels, (labels + draw.normal(size=rows))[:, None], at
    shares = draw.dirichlet(np.ones(len(target.classes)), rows)
    return target, draw.integers(0, len(target.classes), rows), np.round(shares, 2), at


@pytest.mark.parametrize("kind", list(METRICS))
@pytest.mark.parametrize("block", [20, 512])
def test_an_entity_scores_what_its_own_rows_score(kind, block, monkeypatch):
    monkeypatch.setattr(entities, "_BLOCK", block)
    target, labels, predicted, at = problem(kind)
    found = score_entities(target, labels, predicted, at, METRICS[kind])
    counts = np.bincount(at)
    assert counts.min() < LEAST_ROWS < counts.max()
    for metric, values in found.items():
        for entity, value in enumerate(values):
            own = at == entity
            alone = point(target, labels[own], predicted[own], metric) if own.sum() >= LEAST_ROWS else np.nan
            assert value == pytest.approx(alone, nan_ok=True, rel=1e-9), metric


def test_where_a_metric_says_nothing_of_an_entity_the_others_keep_theirs():
    target, labels, predicted, at = problem("binary")
    large = np.flatnonzero(np.bincount(at) >= LEAST_ROWS)
    labels[at == large[0]] = 0
    found = score_entities(target, labels, predicted, at, ["auroc", "brier"])
    assert np.isnan(found["auroc"][large[0]]) and not np.isnan(found["auroc"][large[1:]]).any()
    assert not np.isnan(found["brier"][large]).any()


def test_entities_of_few_rows_alone_are_none_to_score():
    target, labels, predicted, _ = problem("regression", rows=30)
    assert np.isnan(score_entities(target, labels, predicted, np.arange(30), ["mse"])["mse"]).all()


def test_positive_rows_are_counted_and_numbers_tell_their_spread():
    at = np.array([0, 1, 0, 1, 0])
    assert told_of(Target("binary", ("no", "yes")), np.array([1, 0, 1, 0, 0]), at).tolist() == [2, 0]
    spread = told_of(Target("regression", ("pKd",)), np.array([5.0, 6, 7, 6, 9]), at)
    np.testing.assert_allclose(spread, [np.std([5, 7, 9]), 0])
    assert told_of(Target("multiclass", ("a", "b", "c")), np.array([1, 0, 1, 0, 2]), at) is None


def test_hundreds_of_entities_cost_little():
    draw, rows = np.random.default_rng(0), 5_000
    target, labels = Target("regression", ("pKd",)), draw.normal(size=rows)
    start = time.process_time()
    found = score_entities(
        target, labels, draw.normal(size=(rows, 1)), draw.integers(0, 379, rows), METRICS["regression"]
    )
    assert (~np.isnan(found["c_index"])).sum() > 200 and time.process_time() - start < 3
