"""Heads fitted in closed form on frozen features: held to plain ones, to scikit-learn's and to the published vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.svm import LinearSVC

from medplug.core.adapter import FitData, LinearHead
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError
from medplug.core.evaluation.linear import fit_logistic, head_probabilities
from medplug.core.evaluation.scores import point
from medplug.core.transfer.boosting import tradaboost
from medplug.plugins.adapters import options
from medplug.plugins.adapters.boosting import Tradaboost
from medplug.plugins.adapters.linear_probe import LinearProbe
from medplug.plugins.adapters.mapping import Mapping
from medplug.plugins.adapters.prototypes import Prototypes
from medplug.plugins.adapters.svm import Svm

Data = Callable[..., FitData]
THREE = Target("multiclass", ("a", "b", "c"))
TWO = Target("binary", ("no", "yes"))
HEADS: dict[str, Callable[[], Any]] = {
    "svm": lambda: Svm(options.SvmOptions(strengths=(0.1,))),
    "euclidean": lambda: Prototypes(options.PrototypesOptions(metric="euclidean")),
    "mahalanobis": lambda: Prototypes(options.PrototypesOptions(metric="mahalanobis")),
    "linear_probe": lambda: LinearProbe(options.LinearProbeOptions(strengths=(0.1,))),
}


def logits(head: LinearHead, features: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = features.astype(np.float64) @ head.weight.T + head.bias
    return found


def decided(head: LinearHead, features: Any, target: Target) -> Any:
    """Decisions by the logits alone: calibration shifts where one half lies."""
    found = logits(head, features)
    return found.argmax(1) if target.kind == "multiclass" else found > np.median(found, axis=0)


def nearest_mean(data: FitData, rows: Any, metric: str) -> Any:
    """The nearest of the classes' means, distance by distance."""
    features, classes = data.features.astype(np.float64), len(data.target.classes)
    means = [features[data.labels == c].mean(0) for c in range(classes)]
    inverse = np.eye(features.shape[1])
    if metric == "mahalanobis":
        spread = features - np.array(means)[data.labels]
        inverse = np.linalg.inv(ledoit_wolf(spread, assume_centered=True)[0])
    return np.array([np.argmin([(row - mean) @ inverse @ (row - mean) for mean in means]) for row in rows])


@pytest.mark.parametrize("metric", ["euclidean", "mahalanobis"])
def test_prototypes_decide_as_the_nearest_mean_does(metric: str, fit_data: Data) -> None:
    data = fit_data(THREE)
    head = Prototypes(options.PrototypesOptions(metric=metric)).fit(data)
    rows = np.random.default_rng(5).normal(size=(400, 6)) * 3
    np.testing.assert_array_equal(decided(head, rows, THREE), nearest_mean(data, rows, metric))


@pytest.mark.parametrize("metric", ["euclidean", "mahalanobis"])
def test_of_two_prototypes_the_logit_grows_with_the_difference_of_squared_distances(
    metric: str, fit_data: Data
) -> None:
    data = fit_data(TWO)
    head = Prototypes(options.PrototypesOptions(metric=metric)).fit(data)
    features = data.features.astype(np.float64)
    means = [features[data.labels == c].mean(0) for c in (0, 1)]
    spread = features - np.array(means)[data.labels]
    covariance = ledoit_wolf(spread, assume_centered=True)[0] if metric == "mahalanobis" else np.eye(6)
    inverse = np.linalg.inv(covariance)
    rows = np.random.default_rng(5).normal(size=(50, 6))
    gaps = np.array(
        [(r - means[0]) @ inverse @ (r - means[0]) - (r - means[1]) @ inverse @ (r - means[1]) for r in rows]
    )
    slope, offset = np.polyfit(gaps, logits(head, rows)[:, 0], 1)
    assert slope > 0
    np.testing.assert_allclose(logits(head, rows)[:, 0], slope * gaps + offset, atol=1e-6)


def test_the_better_metric_is_chosen_on_validation() -> None:
    draw = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], 60)
    signal, noise = np.eye(3)[labels] + 0.2 * draw.normal(size=(180, 3)), 30 * draw.normal(size=(180, 1))
    features = np.hstack([signal, noise]).astype(np.float32)
    data = FitData(features[:90], labels[:90], features[90:], labels[90:], THREE, "accuracy", {"none": None}, 0)
    head = Prototypes(options.PrototypesOptions()).fit(data)
    assert head.notes["metric"] == "mahalanobis" and head.notes["validation"]["accuracy"] > 0.9


@pytest.mark.parametrize("strength", [0.001, 0.1, 1.0])
def test_svm_decisions_are_those_of_scikit_learns_linear_svc(strength: float, target: Target, fit_data: Data) -> None:
    data = fit_data(target)
    head = Svm(options.SvmOptions(strengths=(strength,))).fit(data)
    scaled = (data.features - data.features.mean(0)) / data.features.std(0)
    rows = np.random.default_rng(5).normal(size=(300, 6))
    columns = (rows - data.features.mean(0)) / data.features.std(0)
    if target.kind == "multilabel":
        margins = np.stack(
            [LinearSVC(C=strength).fit(scaled, each).decision_function(columns) for each in data.labels.T], 1
        )
    else:
        margins = LinearSVC(C=strength).fit(scaled, data.labels).decision_function(columns).reshape(300, -1)
    ours = logits(head, rows)
    if target.kind == "multiclass":
        assert (ours.argmax(1) == margins.argmax(1)).mean() > 0.99
    slope, offset = np.polyfit(margins.ravel(), ours.ravel(), 1)
    assert slope > 0
    expected = slope * margins + offset
    np.testing.assert_allclose(ours, expected, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize("name", HEADS)
def test_a_row_of_weight_zero_is_as_if_it_were_absent(name: str, target: Target, fit_data: Data) -> None:
    data = fit_data(target, rows=40)
    strange = 50 * np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    beside = replace(
        data,
        features=np.concatenate([strange, data.features]),
        labels=np.concatenate([data.labels[:20], data.labels]),
        of_target=np.arange(60) >= 20,
        row_weights=np.repeat([0.0, 1.5], [20, 40]),
    )
    alone = replace(data, of_target=np.ones(40, bool), row_weights=np.full(40, 1.5))
    found, expected = HEADS[name]().fit(beside), HEADS[name]().fit(alone)
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["euclidean", "linear_probe", "svm"])
def test_a_weight_of_two_is_a_row_given_twice(name: str, target: Target, fit_data: Data) -> None:
    data = fit_data(target, rows=40)
    if name != "euclidean":  # their columns are scaled by all rows alike
        scaled = (data.features - data.features.mean(0)) / data.features.std(0)
        mirrored = np.concatenate([scaled, -scaled])
        data = replace(data, features=mirrored, labels=np.concatenate([data.labels, data.labels]))
    twice = np.arange(len(data.labels)) % 2 == 0
    if name != "euclidean":
        twice = np.tile(twice[: len(twice) // 2], 2)
    weighed = HEADS[name]().fit(replace(data, row_weights=1.0 + twice))
    order = np.concatenate([np.arange(len(twice)), np.flatnonzero(twice)])
    given = HEADS[name]().fit(replace(data, features=data.features[order], labels=data.labels[order]))
    rows = np.random.default_rng(5).normal(size=(200, 6)).astype(np.float32)
    ours, theirs = (head_probabilities(head, rows, target) for head in (weighed, given))
    np.testing.assert_allclose(ours, theirs, atol=0.02 if name == "euclidean" else 0.1)


@pytest.mark.parametrize("name", HEADS)
def test_a_class_without_rows_gets_no_probability(name: str, fit_data: Data) -> None:
    data = fit_data(THREE)
    kept = data.labels != 1
    few = replace(data, features=data.features[kept], labels=data.labels[kept])
    ignored = replace(data, row_weights=np.where(kept, 1.0, 0.0))
    for each in (few, ignored):
        found = head_probabilities(HEADS[name]().fit(each), 10 * data.features, THREE)
        assert found[:, 1].max() < 1e-12 and set(found.argmax(1)) == {0, 2}


@pytest.mark.parametrize("name", HEADS)
def test_one_class_alone_is_no_error(name: str, target: Target, fit_data: Data) -> None:
    data = fit_data(target, rows=12)
    alone = replace(data, labels=np.ones_like(data.labels))
    found = head_probabilities(HEADS[name]().fit(alone), data.features, target)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", HEADS)
def test_constant_and_collinear_features_are_no_error(name: str, fit_data: Data) -> None:
    data = fit_data(THREE, rows=9)
    wide = np.hstack([data.features, data.features[:, :1], np.ones((9, 40), np.float32)])
    validation = np.hstack([data.validation_features, data.validation_features[:, :1], np.ones((30, 40), np.float32)])
    head = HEADS[name]().fit(replace(data, features=wide, validation_features=validation))
    assert np.isfinite(head.weight).all() and np.isfinite(head.bias).all()


def test_classes_are_weighed_where_that_is_better_on_validation(fit_data: Data) -> None:
    draw = np.random.default_rng(0)
    labels = (draw.random(600) < 0.06).astype(np.int64)
    features = (labels[:, None] * 1.2 + draw.normal(size=(600, 4))).astype(np.float32)
    weightings = {"none": None, "balanced": np.array([0.53, 8.0])}
    data = FitData(features[:300], labels[:300], features[300:], labels[300:], TWO, "f1", weightings, 0)
    heads = [adapter.fit(data) for adapter in (Svm(options.SvmOptions()), LinearProbe(options.LinearProbeOptions()))]
    for head in heads:
        assert head.notes["class weights"] in weightings and head.notes["strength"] in (1e-4, 1e-3, 0.01, 0.1, 1, 10)
    assert heads[1].notes["class weights"] == "balanced"


# ---- mapping


def shifted(seed: int = 0, few: int = 12) -> tuple[FitData, Any, Any]:
    """Three uneven classes; a source that is the target mildly stretched, sheared and moved; and test rows."""
    draw = np.random.default_rng(seed)
    corners = np.array([[3.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 3.0, 0]])

    def rows(count: int) -> tuple[Any, Any]:
        labels = draw.choice(3, count, p=[0.5, 0.3, 0.2])
        return (corners[labels] + 0.7 * draw.normal(size=(count, 4))).astype(np.float32), labels

    (source, labels), (target, _), (test, truth), (validation, known), (some, some_labels) = map(
        rows, (300, 200, 200, 60, few)
    )
    moved = source @ (np.diag([0.8, 1.2, 1.4, 1]) + 0.1) + [1.5, -1.5, 1, 0]
    data = FitData(
        np.concatenate([moved.astype(np.float32), some]),
        np.concatenate([labels, some_labels]),
        validation,
        known,
        THREE,
        "accuracy",
        {"none": None},
        0,
        of_target=np.arange(300 + few) >= 300,
        unlabelled=target,
    )
    return data, test, truth


def right(head: LinearHead, rows: Any, truth: Any) -> float:
    return float((logits(head, rows).argmax(1) == truth).mean())


def source_alone(data: FitData) -> FitData:
    kept = ~np.asarray(data.of_target)
    return replace(data, features=data.features[kept], labels=data.labels[kept], of_target=None)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("few", [0, 12])
@pytest.mark.parametrize("kind", ["recolour", "autoencoder", "gan"])
def test_a_map_undoes_a_mild_affine_shift_of_the_source(kind: Any, few: int, seed: int) -> None:
    data, test, truth = shifted(seed, few)
    before = data.features.copy()
    adapter = Mapping(options.MappingOptions(kind=kind, strengths=(0.1,), steps=300))
    plain = LinearProbe(options.LinearProbeOptions(strengths=(0.1,))).fit(source_alone(data))
    found = right(adapter.fit(data), test, truth)
    assert found > right(plain, test, truth) + 0.05 and (kind != "recolour" or found > 0.98)
    assert np.array_equal(data.features, before)


@pytest.mark.parametrize("kind", ["recolour", "autoencoder", "gan"])
def test_mapped_rows_lie_nearer_to_the_target(kind: Any) -> None:
    data, _, _ = shifted()
    assert data.of_target is not None
    mapped = Mapping(options.MappingOptions(kind=kind))._map(data)(data.features[~data.of_target])
    assert mapped.shape == (300, 4) and mapped.dtype == np.float32
    gaps = [np.abs(rows.mean(0) - data.target_features.mean(0)).max() for rows in (mapped, data.features[:300])]
    assert gaps[0] < (1e-3 if kind == "recolour" else 0.7) * gaps[1]


def test_validation_rows_of_the_source_are_judged_where_they_are_mapped_to() -> None:
    data, _, _ = shifted(few=0)
    source = replace(data, validation_features=data.features[:60], validation_labels=data.labels[:60])
    adapter = Mapping(options.MappingOptions(strengths=(0.1,)))
    head = adapter.fit(replace(source, validation_of_target=False))
    assert head.validation_logits is not None
    mapped = adapter._map(data)(data.features[:60])
    np.testing.assert_allclose(head.validation_logits, logits(head, mapped), atol=1e-4)
    assert head.notes["validation"]["accuracy"] == pytest.approx(
        float((head.validation_logits.argmax(1) == data.labels[:60]).mean())
    )
    assert adapter.fit(data).validation_logits is None  # the target's own stay as they are


@pytest.mark.parametrize("kind", ["autoencoder", "gan"])
def test_maps_are_trained_for_every_kind_of_target_and_alike_each_time(
    kind: Any, target: Target, fit_data: Data
) -> None:
    data = fit_data(target, of_target=np.arange(60) >= 50)
    adapter = Mapping(options.MappingOptions(kind=kind, steps=5, strengths=(0.1,)))
    heads = [adapter.fit(data) for _ in range(2)]
    assert heads[0].weight.shape == (target.outputs, 6) and np.array_equal(heads[0].weight, heads[1].weight)


def test_weights_of_other_adapters_reach_the_head_of_a_map() -> None:
    data, _, _ = shifted(few=0)
    lying = np.arange(300) % 3 == 0
    told = replace(data, labels=np.where(lying, (data.labels + 1) % 3, data.labels))
    adapter = Mapping(options.MappingOptions(strengths=(0.1,)))
    trusting, honest = adapter.fit(told), adapter.fit(data)
    wary = adapter.fit(replace(told, row_weights=np.where(lying, 0.0, 1.5)))
    assert np.abs(wary.weight - honest.weight).max() < 0.5 * np.abs(trusting.weight - honest.weight).max()


# ---- tradaboost


def contradicting(seed: int, target: Target = TWO) -> tuple[FitData, Any, Any]:
    """A source a third of whose labels are those of the opposite features, few target rows, and test rows."""
    draw = np.random.default_rng(seed)
    classes = len(target.classes)

    def label(features: Any) -> Any:
        return features[:, :classes].argmax(1)

    source, few, validation, test = (draw.normal(size=(n, 6)).astype(np.float32) for n in (300, 30, 30, 500))
    wrong = source[:, 5] > 0.4  # all on one side, where a linear head follows them
    labels = np.where(wrong, label(-source), label(source))
    data = FitData(
        np.concatenate([source, few]),
        np.concatenate([labels, label(few)]),
        validation,
        label(validation),
        target,
        "accuracy",
        {"none": None},
        0,
        of_target=np.arange(330) >= 300,
    )
    return data, test, label(test)


def fit_of(data: FitData) -> Any:
    """The base model as the published boosting asks for it."""

    def fit(features: Any, labels: Any, weights: Any) -> Any:
        beside = data.validation_features, data.validation_labels, data.target
        how: Any = {"metric": "log_loss", "strengths": (0.1,), "standardise": True, "seed": 0}
        head = fit_logistic(features, labels, *beside, row_weights=weights, **how)
        return lambda rows: data.target.decide(head_probabilities(head, rows, data.target))

    return fit


@pytest.mark.parametrize("target", [TWO, THREE], ids=["binary", "multiclass"])
def test_the_linear_vote_decides_about_as_the_published_one_and_better_than_the_source_alone(target: Target) -> None:
    agree, ours, published, alone = [], [], [], []
    for seed in range(4):
        data, test, truth = contradicting(seed, target)
        head = Tradaboost(options.TradaboostOptions(strengths=(0.1,))).fit(data)
        fit = fit_of(data)
        source = slice(0, 300), slice(300, 330)
        parts = [part for rows in source for part in (data.features[rows], data.labels[rows])]
        voted = tradaboost(fit, *parts, rounds=10).predict(test)
        said = target.decide(head_probabilities(head, test, target))
        unaided = fit(parts[0], parts[1], np.ones(300))(test)
        agree.append((said == voted).mean())
        for scores, each in ((ours, said), (published, voted), (alone, unaided)):
            scores.append((each == truth).mean())
    assert np.mean(agree) > 0.9
    assert np.mean(ours) > np.mean(published) - 0.03 and np.mean(ours) > np.mean(alone) + 0.05


def test_the_strength_of_the_boosted_head_is_the_best_on_validation() -> None:
    data, _, _ = contradicting(0)
    strengths = (1e-6, 0.1)
    heads = {c: Tradaboost(options.TradaboostOptions(strengths=(c,))).fit(data) for c in strengths}
    scores = {
        c: point(TWO, data.validation_labels, head_probabilities(head, data.validation_features, TWO), "log_loss")
        for c, head in heads.items()
    }
    best = Tradaboost(options.TradaboostOptions(strengths=strengths)).fit(replace(data, metric="log_loss"))
    strength = min(scores, key=scores.__getitem__)
    assert best.notes["strength"] == strength and best.notes["validation"] == {
        "log_loss": pytest.approx(scores[strength])
    }
    assert np.array_equal(best.weight, heads[strength].weight)


def test_boosting_refuses_what_it_cannot_do(fit_data: Data) -> None:
    adapter = Tradaboost(options.TradaboostOptions())
    of_target = np.arange(60) >= 50
    several = fit_data(Target("multilabel", ("a", "b", "c")), of_target=of_target)
    for data in (several, fit_data(TWO)):
        with pytest.raises(ConfigError, match="one label a row, and rows of two domains"):
            adapter.fit(data)
    with pytest.raises(ConfigError, match="weighs the source rows itself; use it without kmm or density_ratio"):
        adapter.fit(fit_data(TWO, of_target=of_target, row_weights=np.ones(60)))
