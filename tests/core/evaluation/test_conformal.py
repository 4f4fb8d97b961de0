from __future__ import annotations

import numpy as np
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation.conformal import fewest, fit_conformal, held

STATE = Target("multiclass", ("a", "b", "c"))
AGE = Target("regression", ("age",), 50.0, 10.0)


def test_the_quantile_is_the_plain_count_of_scores() -> None:
    draw = np.random.default_rng(0)
    chances, labels = draw.dirichlet([1, 1, 1], 57), draw.integers(0, 3, 57)
    found = fit_conformal(STATE, labels, chances, 0.8)
    scores = sorted(1 - chances[i, labels[i]] for i in range(57))
    assert found is not None and (found.quantile, found.rows) == (scores[int(np.ceil(58 * 0.8)) - 1], 57)
    sets = [{c for c in range(3) if 1 - row[c] <= found.quantile} for row in chances]
    assert [set(np.flatnonzero(row)) for row in found.sets(chances)] == sets
    assert held(STATE, labels, chances, found).tolist() == [labels[i] in sets[i] for i in range(57)]


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_sets_of_fresh_rows_hold_the_truth_as_often_as_was_asked_for(kind: str, coverage: float) -> None:
    """Over 400 repetitions, with a model that is badly calibrated: the guarantee asks nothing of it."""
    draw, found = np.random.default_rng(0), []
    for _ in range(400):
        if kind == "classes":
            labels = draw.integers(0, 3, 100)
            logits = 5 * (np.eye(3)[labels] + draw.normal(size=(100, 3)))
            predicted, target = STATE.probabilities(logits), STATE
        else:
            labels, target = draw.standard_t(3, 100), AGE
            predicted = 0.3 * draw.normal(size=(100, 1))
        conformal = fit_conformal(target, labels[:50], predicted[:50], coverage)
        assert conformal is not None
        found.append(held(target, labels[50:], predicted[50:], conformal).mean())
    # the expectation is ceil(51 c) / 51: 0.804 and 0.902
    assert np.mean(found) == pytest.approx(np.ceil(51 * coverage) / 51, abs=0.012)


def test_too_few_rows_settle_nothing() -> None:
    assert [fewest(coverage) for coverage in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    chances, labels = np.full((9, 3), 1 / 3), np.zeros(9, int)
    assert fit_conformal(STATE, labels, chances, 0.9) is not None
    assert fit_conformal(STATE, labels[:8], chances[:8], 0.9) is None


def test_kinds_without_sets_have_none() -> None:
    many = Target("multilabel", ("a", "b"))
    assert fit_conformal(many, np.zeros((50, 2), int), np.zeros((50, 2)), 0.9) is None


def test_an_option_that_a_row_lacks_is_in_no_set() -> None:
    choice, chances = Target("choice", ("A", "B", "C")), np.tile([0.0, 1.0, 0.0], (20, 1))
    wrong = fit_conformal(choice, np.zeros(20, int), chances, 0.9)
    assert wrong is not None and wrong.quantile == 1.0
    assert wrong.sets(chances[:1]).tolist() == [[False, True, False]]
