"""Importance weights, held to plain references and to the ratio of two Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import spearmanr

from medplug.core.transfer import gaussian, importance, matching
from medplug.core.transfer.importance import classifier_density_ratio, effective_rows, kernel_mean_matching, kliep

Array = NDArray[np.floating[Any]]
METHODS: dict[str, Callable[[Array, Array], Array]] = {
    "matching": kernel_mean_matching,
    "classifier": lambda source, target: classifier_density_ratio(source, target, seed=0),
    "kliep": lambda source, target: kliep(source, target, seed=0),
}
EACH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def shifted(n: int, m: int, width: int = 2, *, shift: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Standard normal rows, and the same `shift` along the first feature."""
    random = np.random.default_rng(seed)
    source, target = random.standard_normal((n, width)), random.standard_normal((m, width))
    target[:, 0] += shift
    return source, target


def kernel(x: Array, y: Array, bandwidth: float) -> Array:
    return np.array([[np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2)) for b in y] for a in x])


def median(x: Array, y: Array) -> float:
    joint = np.concatenate([x, y])
    upper = np.triu_indices(len(joint), 1)
    return float(np.median(np.sqrt(((joint[:, None] - joint[None]) ** 2).sum(2))[upper]))


def matching_loss(weights: Array, source: Array, target: Array, bandwidth: float) -> tuple[float, Array]:
    """The published objective divided by n^2, and its gradient."""
    n, m = len(source), len(target)
    own, pull = kernel(source, source, bandwidth), kernel(source, target, bandwidth).sum(1) * n / m
    return (weights @ own @ weights / 2 - pull @ weights) / n**2, (own @ weights - pull) / n**2


@pytest.mark.parametrize(
    ("bandwidth", "bound", "tolerance"), [(None, 10.0, None), (0.4, 2.0, 0.0), (0.8, 1.3, 0.1), (0.4, 10.0, 0.05)]
)
def test_matching_finds_what_a_general_solver_finds(
    bandwidth: float | None, bound: float, tolerance: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importance, "GAP_SHARE", 1e-7)
    monkeypatch.setattr(matching, "STEPS", 5000)
    source, target = shifted(30, 40)
    ours = kernel_mean_matching(source, target, bandwidth=bandwidth, bound=bound, tolerance=tolerance)
    width = bandwidth or median(source, target)
    slack = (30**0.5 - 1) / 30**0.5 if tolerance is None else tolerance
    wanted = minimize(
        lambda b: tuple(1000 * np.asarray(part) for part in matching_loss(b, source, target, width)),
        np.ones(30),
        jac=True,
        method="SLSQP",
        bounds=[(0, bound)] * 30,
        constraints=[{"type": "ineq", "fun": lambda b, s=sign: slack - s * (b.mean() - 1)} for sign in (1, -1)],
        options={"ftol": 1e-10, "maxiter": 1000},
    ).x
    assert ours.min() >= 0 and ours.max() <= bound + 1e-9 and abs(ours.mean() - 1) <= slack + 1e-9
    least = matching_loss(wanted, source, target, width)[0]
    assert matching_loss(ours, source, target, width)[0] == pytest.approx(least, abs=1e-6)
    if bandwidth == 0.4:  # where the kernels are narrow, the least is well marked
        np.testing.assert_allclose(ours, wanted, atol=0.02)


@pytest.mark.parametrize("tolerance", [None, 0.0, 0.1])
@pytest.mark.parametrize("bound", [2.0, 10.0])
def test_no_allowed_move_lessens_the_matchings_loss_by_more_than_its_gap(tolerance: float | None, bound: float) -> None:
    source, target = shifted(60, 50, 3)
    ours = kernel_mean_matching(source, target, bound=bound, tolerance=tolerance)
    slope = matching_loss(ours, source, target, median(source, target))[1]
    slack = (60**0.5 - 1) / 60**0.5 if tolerance is None else tolerance
    random = np.random.default_rng(1)
    for _ in range(200):
        other = np.where(random.random(60) < random.random(), random.random(60) * bound, 0)
        other *= (1 + random.uniform(-slack, slack)) / other.mean() if other.any() else 0
        if other.any() and other.max() <= bound:
            assert slope @ (ours - other) < 1.001 * (1 / 60 + 1 / 50) / 4


def test_the_gap_and_the_projection_are_those_of_a_linear_and_a_quadratic_solver() -> None:
    random = np.random.default_rng(0)
    for slack, bound in ((0.0, 1.0), (0.2, 3.0), (0.9, 1.5)):
        problem = matching.LeastSquares(np.eye(8), np.zeros(8), bound, slack, 0.0)
        for shift in (-3.0, 0.0, 3.0):
            point = random.standard_normal(8) * 2 + shift
            limits: Any = {
                "bounds": [(0, bound)] * 8,
                "constraints": [
                    {"type": "ineq", "fun": lambda b, k=slack: k - (b.mean() - 1)},
                    {"type": "ineq", "fun": lambda b, k=slack: k + (b.mean() - 1)},
                ],
            }
            nearest = minimize(lambda b, p=point: ((b - p) ** 2).sum(), np.ones(8), **limits).x
            np.testing.assert_allclose(problem.projected(point), nearest, atol=1e-3)
            lowest = minimize(lambda b, p=point: p @ b, np.ones(8), **limits).x
            assert problem.lowest(point) @ point == pytest.approx(point @ lowest, abs=1e-4)


def test_the_step_is_no_longer_than_the_largest_eigenvalue_allows() -> None:
    for width in (0.1, 1.0, 10.0):
        own = kernel(*[shifted(25, 1, 3)[0]] * 2, width)
        steepest = matching.LeastSquares(own, np.zeros(25), 10.0, 0.1, 0.0).steepest()
        largest = np.linalg.eigvalsh(own / 25).max()
        assert largest <= steepest * (1 + 1e-12) and steepest < 1.5 * largest


def test_more_source_rows_than_one_kernel_holds_are_matched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = shifted(400, 300)
    monkeypatch.setattr(importance, "KERNEL_ROWS", 150)
    ours = kernel_mean_matching(source, target, bandwidth=1.5)
    parts = np.array_split(np.random.default_rng(0).permutation(400), 3)
    for part in parts:
        np.testing.assert_allclose(ours[part], kernel_mean_matching(source[part], target, bandwidth=1.5), atol=0.05)
    assert np.average(source[:, 0], weights=ours) == pytest.approx(target[:, 0].mean(), abs=0.15)


@EACH
def test_blocks_of_kernels_change_nothing(
    method: Callable[[Array, Array], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = shifted(50, 40)
    whole = method(source, target)
    monkeypatch.setattr(gaussian, "BLOCK", 300)
    np.testing.assert_allclose(method(source, target), whole, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "rank", "error"), [("matching", 0.6, 0.5), ("classifier", 0.99, 0.25), ("kliep", 0.9, 0.35)]
)
def test_the_known_ratio_of_two_gaussians_is_found(name: str, rank: float, error: float) -> None:
    for seed in range(3):
        source, target = shifted(600, 500, seed=seed)
        true = np.exp(source[:, 0] - 0.5)
        ours = METHODS[name](source, target)
        assert spearmanr(ours, true).statistic > rank
        assert np.abs(ours - true).mean() < error < 0.75 * np.abs(1 - true).mean()


def test_matching_exactly_follows_the_samples_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = shifted(600, 500)
    true = np.exp(source[:, 0] - 0.5)
    stopped = kernel_mean_matching(source, target)
    monkeypatch.setattr(importance, "GAP_SHARE", 1e-3)
    exact = kernel_mean_matching(source, target)
    assert np.abs(stopped - true).mean() < 0.6 * np.abs(exact - true).mean()
    assert effective_rows(stopped) > 1.3 * effective_rows(exact)


@EACH
def test_the_sources_weighted_mean_moves_to_the_targets(method: Callable[[Array, Array], Array]) -> None:
    for seed in range(3):
        source, target = shifted(400, 300, seed=seed)
        ours = method(source, target)
        moved = np.average(source, axis=0, weights=ours)
        assert np.abs(moved - target.mean(0)).max() < 0.3 < 0.8 < np.abs(source.mean(0) - target.mean(0)).max()
        assert ours.shape == (400,) and ours.dtype == np.float64 and (ours >= 0).all()
        assert ours.mean() == pytest.approx(1, abs=0.05) and effective_rows(ours) < 0.8 * 400


@EACH
def test_domains_that_are_alike_leave_the_rows_about_equal(method: Callable[[Array, Array], Array]) -> None:
    source, target = shifted(300, 300, shift=0.0)
    assert np.abs(method(source, source.copy()) - 1).max() < 0.15
    if method is not METHODS["matching"]:  # it matches the very target rows, their chance crowding included
        assert np.abs(method(source, target) - 1).mean() < 0.15
    same = np.ones((20, 3))
    np.testing.assert_allclose(method(same, same[:10]), 1, atol=1e-6)


@EACH
def test_neither_an_offset_nor_the_type_nor_a_second_run_matters(method: Callable[[Array, Array], Array]) -> None:
    source, target = (rows.astype(np.float32) for rows in shifted(60, 50))
    ours = method(source, target)
    assert np.array_equal(method(source.copy(), target.copy()), ours)
    wide = method(source.astype(np.float64) + 1000, target.astype(np.float64) + 1000)
    np.testing.assert_allclose(wide, ours, atol=2e-3)


def test_a_seed_draws_the_folds_and_the_kernels() -> None:
    source, target = shifted(80, 60)
    for method in (classifier_density_ratio, kliep):
        arguments: dict[str, Any] = {"kernels": 20} if method is kliep else {}
        first, again, other = (method(source, target, seed=seed, **arguments) for seed in (1, 1, 2))
        assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_no_row_is_scored_by_a_classifier_that_saw_it() -> None:
    random = np.random.default_rng(0)
    source, target = random.standard_normal((30, 200)), random.standard_normal((30, 200))
    weak = classifier_density_ratio(source, target, strength=1e-4, seed=0)  # memorises: all of its own rows are source
    assert (weak > 1).mean() > 0.2 and weak.max() > 3 * np.median(weak)
    chosen = classifier_density_ratio(source, target, seed=0)
    assert chosen.std() < weak.std()


def test_ratios_are_cut_before_they_are_normalised_and_count_the_domains_rows() -> None:
    source, target = shifted(300, 900)
    cut = classifier_density_ratio(source, target, strength=1e-3, clip=2.0, seed=0)
    raw = classifier_density_ratio(source, target, strength=1e-3, clip=1e9, seed=0)
    assert cut.max() < raw.max() and (cut == cut.max()).sum() > 5
    true = np.exp(source[:, 0] - 0.5)
    scale = 2.0 / cut.max()  # what the mean was before it was made one
    assert np.median(cut * scale) == pytest.approx(np.median(true), rel=0.25)


def test_kliep_climbs_as_high_as_a_general_solver() -> None:
    source, target = shifted(40, 30)
    ours = kliep(source, target, kernels=30, bandwidths=[0.8], seed=0)
    near, far = kernel(source, target, 0.8), kernel(target, target, 0.8)
    found = minimize(
        lambda a: -np.log(far @ a).mean(),
        np.full(30, 1 / near.mean(0).sum()),
        jac=lambda a: -(far / (far @ a)[:, None]).mean(0),
        method="SLSQP",
        bounds=[(1e-12, None)] * 30,
        constraints={"type": "eq", "fun": lambda a: (near @ a).mean() - 1},
        options={"maxiter": 500},
    )
    shares = importance._mixture(far / near.mean(0))
    assert np.log(far / near.mean(0) @ shares).mean() == pytest.approx(-found.fun, abs=1e-3)
    np.testing.assert_allclose(ours, near @ found.x, atol=0.15)


def test_kliep_takes_the_bandwidth_that_held_out_target_rows_find_likeliest() -> None:
    source, target = shifted(400, 300)
    true = np.exp(source[:, 0] - 0.5)
    chosen = kliep(source, target, bandwidths=[0.02, 1.0, 300.0], seed=0)
    np.testing.assert_array_equal(chosen.round(9), kliep(source, target, bandwidths=[1.0], seed=0).round(9))
    for other in (0.02, 300.0):
        worse = kliep(source, target, bandwidths=[other], seed=0)
        assert np.abs(chosen - true).mean() < np.abs(worse - true).mean()


def test_kliep_is_finite_where_the_source_has_no_rows_and_refuses_where_it_has_none_at_all() -> None:
    source, target = shifted(100, 80, shift=6.0)
    ours = kliep(source, target, seed=0)
    assert np.isfinite(ours).all() and ours.mean() == pytest.approx(1)
    with pytest.raises(ValueError, match="no source row is near a target row at bandwidth 0.01; give wider"):
        kliep(source, target + 50, bandwidths=[0.01], seed=0)


def test_effective_rows_are_all_of_equal_rows_and_one_of_a_single_row() -> None:
    assert effective_rows(np.full(7, 3e-200)) == pytest.approx(7)
    assert effective_rows(np.array([0.0, 5.0, 0.0])) == 1.0
    assert effective_rows(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / 14)
    for wrong in (np.ones((2, 2)), np.array([-1.0, 2.0]), np.zeros(3), np.array([])):
        with pytest.raises(ValueError, match=r"weights must be \[rows\], none negative, one above zero; got shape"):
            effective_rows(wrong)


@EACH
def test_wrong_rows_are_refused(method: Callable[[Array, Array], Array]) -> None:
    good = np.ones((6, 3))
    for source, target, said in (
        (good[0], good, r"source must be \[rows, width\] with at least one of each; got shape \[3\]"),
        (good, good[:0], r"target must be .* got shape \[0, 3\]"),
        (good, good[:, :2], r"of one width; got shapes \[6, 3\] and \[6, 2\]"),
        (good.astype(int), good, "source must hold floating point features; got int64"),
        (good, good * np.nan, "target must hold finite features"),
    ):
        with pytest.raises(ValueError, match=said):
            method(source, target)


def test_what_makes_no_sense_is_refused() -> None:
    source, target = shifted(6, 4)
    with pytest.raises(ValueError, match="bound must be 1 or more, for weights of mean one; got 0.5"):
        kernel_mean_matching(source, target, bound=0.5)
    with pytest.raises(ValueError, match="tolerance must be from 0 to below 1; got 1.5"):
        kernel_mean_matching(source, target, tolerance=1.5)
    with pytest.raises(ValueError, match=r"bandwidths must be positive numbers, at least one; got \[0.0\]"):
        kernel_mean_matching(source, target, bandwidth=0.0)
    with pytest.raises(ValueError, match=r"at least one; got \[\]"):
        kliep(source, target, bandwidths=[], seed=0)
    with pytest.raises(ValueError, match="kernels must be 1 or more; got 0"):
        kliep(source, target, kernels=0, seed=0)
    with pytest.raises(ValueError, match="folds must be from 2 to 4, the target rows; got 5"):
        kliep(source, target, seed=0)
    with pytest.raises(ValueError, match="folds must be from 2 to 4, the rows of the smaller domain; got 5"):
        classifier_density_ratio(source, target, seed=0)
    with pytest.raises(ValueError, match="needs clip > 0 and strength > 0; got 0 and None"):
        classifier_density_ratio(source, target, folds=2, clip=0, seed=0)
