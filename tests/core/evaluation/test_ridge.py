"""Ridge heads, against the normal equations written plainly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from medplug.core.adapter import FitData, LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.baseline import plain_baseline
from medplug.core.evaluation.linear import head_probabilities
from medplug.core.evaluation.probe import fit_probe
from medplug.core.evaluation.ridge import best_head, fit_ridge, ridges
from medplug.core.evaluation.scores import point


def problem(rows=80, width=6, seed=0):
    """Features of unlike scales, one of them constant, and labels in their own unit."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, width)) * 10.0 ** np.arange(-2, width - 2)
    features[:, -1] = 3.0
    labels = 700 + 90 * (features[:, 0] * 100 - features[:, 2]) + 30 * draw.normal(size=rows)
    return features, labels, Target.numeric("dose", labels[: rows // 2])


def halves(rows=80, **shape):
    features, labels, target = problem(rows, **shape)
    half = rows // 2
    return (features[:half], labels[:half], features[half:], labels[half:], target)


def plainly(features, labels, strength, weights=None):
    """Weights and intercept of weighted ridge regression, by its normal equations."""
    weights = np.ones(len(labels)) if weights is None else weights
    mean = np.average(features, axis=0, weights=weights)
    centre = np.average(labels, weights=weights)
    x, y = features - mean, labels - centre
    gram = (x * weights[:, None]).T @ x + np.eye(x.shape[1]) / strength
    slope = np.linalg.solve(gram, (x * weights[:, None]).T @ y)
    return slope, centre - slope @ mean


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_head_solves_the_normal_equations(kind, weighted):
    draw = np.random.default_rng(2)
    features = draw.normal(size=(50, 4))
    labels = 20 + 3 * features[:, 0] + draw.normal(size=50)
    target = Target.numeric("x", labels)
    weights = draw.uniform(0.5, 2, 50) if weighted else None
    head = fit_ridge(
        *(kind(features), labels, kind(features), labels, target),
        metric="mae",
        row_weights=weights,
        strengths=(0.1,),
        standardise=False,
    )
    slope, intercept = plainly(features, target.standardised(labels), 0.1, weights)
    np.testing.assert_allclose(head.weight[0], slope, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(head.bias, [intercept], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_products_that_are_summed_over_many_rows_give_the_ridge_of_scikit_learn(weighted):
    from sklearn.linear_model import Ridge

    draw = np.random.default_rng(3)
    columns = sparse.random(5000, 30, density=0.2, format="csr", random_state=3)  # more rows than are dense at once
    logits = columns @ draw.normal(size=30) + 2 + draw.normal(size=5000)
    weights = draw.uniform(0.2, 3, 5000) if weighted else None
    for strength, head in ridges(columns, logits, weights, (0.01, 1.0, 100.0)).items():
        theirs = Ridge(alpha=1 / strength).fit(columns.toarray(), logits, sample_weight=weights)
        np.testing.assert_allclose(head.weight[0], theirs.coef_, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(head.bias[0], theirs.intercept_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_fewer_rows_than_columns_give_the_normal_equations(weighted):
    draw = np.random.default_rng(4)
    columns = sparse.random(30, 90, density=0.3, format="csr", random_state=4)
    logits = draw.normal(size=30) + 5
    weights = draw.choice([0.0, 0.5, 2.0], 30) if weighted else None
    for strength, head in ridges(columns, logits, weights, (0.01, 1.0, 100.0)).items():
        slope, intercept = plainly(columns.toarray(), logits, strength, weights)
        np.testing.assert_allclose(head.weight[0], slope, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(head.bias, [intercept], rtol=1e-7)


def test_standardising_makes_the_scale_of_features_irrelevant_and_leaves_constant_ones_out():
    train, labels, held, held_labels, target = halves()
    units = 10.0 ** -np.arange(6)
    heads = [
        fit_ridge(train * u, labels, held * u, held_labels, target, metric="mae", strengths=(1.0,), standardise=True)
        for u in (np.ones(6), units)
    ]
    ours, theirs = (head_probabilities(head, held * u, target) for head, u in zip(heads, (1, units), strict=True))
    np.testing.assert_allclose(ours, theirs)
    assert heads[0].weight[0, -1] == 0


def test_the_unit_of_the_labels_does_not_matter_to_the_head():
    train, labels, held, held_labels, target = halves()
    moved = Target.numeric("dose", labels / 7 - 40)
    first = fit_ridge(train, labels, held, held_labels, target, metric="r2", standardise=True)
    second = fit_ridge(train, labels / 7 - 40, held, held_labels / 7 - 40, moved, metric="r2", standardise=True)
    np.testing.assert_allclose(first.weight, second.weight, atol=1e-9)
    assert first.notes["strength"] == second.notes["strength"]


@pytest.mark.parametrize("metric", ["mae", "r2", "spearman"])
def test_the_strength_that_is_best_on_validation_stays(metric):
    train, labels, held, held_labels, target = halves()
    tried = {
        c: fit_ridge(train, labels, held, held_labels, target, metric=metric, strengths=(c,), standardise=True)
        for c in (1e-4, 1e-2, 1.0)
    }
    scores = {c: point(target, held_labels, head_probabilities(h, held, target), metric) for c, h in tried.items()}
    best = fit_ridge(
        train, labels, held, held_labels, target, metric=metric, strengths=(1.0, 1e-2, 1e-4), standardise=True
    )
    chosen = (min if metric == "mae" else max)(scores, key=scores.__getitem__)
    assert best.notes["strength"] == chosen and best.notes["validation"] == {metric: scores[chosen]}
    assert best.notes["tried"] == {f"{c:g}": scores[c] for c in (1e-4, 1e-2, 1.0)}


def test_where_the_metric_is_undefined_the_squared_error_chooses():
    target = Target("regression", ("x",), 0.0, 1.0)
    heads = {c: LinearHead(np.zeros((1, 2)), np.array([c])) for c in (3.0, 1.0)}
    found = best_head(heads, np.ones((4, 2)), np.array([0.5, 1.0, 1.0, 1.5]), target, "pearson")
    assert found.notes["strength"] == 1.0 and found.notes["validation"] == {"mse": 0.125}


def test_rows_are_needed_to_fit_and_to_choose():
    train, labels, held, held_labels, target = halves()
    for given in ((train[:0], labels[:0], held, held_labels), (train, labels, held[:0], held_labels[:0])):
        with pytest.raises(DataError, match="ridge head needs training rows"):
            fit_ridge(*given, target, metric="mae", standardise=True)


def test_the_probe_of_a_number_counts_rows_by_their_weights():
    train, labels, held, held_labels, target = halves()
    weights = np.where(np.arange(40) < 20, 1.0, 0.0)
    wrong = np.where(weights > 0, labels, -labels)
    given = {"metric": "mae", "weightings": {"none": None}, "seed": 0}
    weighed = FitData(train, wrong, held, held_labels, target, row_weights=weights, **given)
    alone = FitData(train[:20], labels[:20], held, held_labels, target, **given)
    np.testing.assert_allclose(fit_probe(weighed).weight, fit_probe(alone).weight, atol=1e-9)


class Columns:
    def __init__(self, kind):
        self.kind = kind

    def fit_transform(self, rows):
        return self.transform(rows)

    def transform(self, rows):
        return self.kind(np.array(rows))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_baselines_are_the_training_mean_and_a_linear_model_that_beats_it(kind):
    train, labels, held, held_labels, target = halves(200)
    found = plain_baseline(
        Columns(kind), train[:, :4], labels, held[:, :4], held_labels, held[:, :4], target, "mae", {"none": None}, 0
    )
    np.testing.assert_allclose(found.majority, np.full((100, 1), labels.mean()))
    assert point(target, held_labels, found.linear, "r2") > 0.9 > point(target, held_labels, found.majority, "r2")
    assert set(found.notes) == {"strength", "validation", "tried"}
