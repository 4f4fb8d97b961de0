"""Transferability scores, held to plain float64 references and to what is proven of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from medplug.core.transfer.transferability import h_score, leep, logme, nce, proxy_a_distance


def problem(n: int, width: int, *, apart: float = 1.0, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Gaussian features ``[n, width]`` whose classes lie `apart` along axes of their own, and the classes ``[n]``."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    noise = torch.randn(n, width, generator=generator, dtype=torch.float64)
    return noise + apart * torch.eye(classes, width, dtype=torch.float64)[labels], labels


def guesses(n: int, sources: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(sources, 0.3), n))


def rotation(width: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q


def greatest_evidence(features: np.ndarray, target: np.ndarray) -> float:
    """The marginal likelihood written as one Gaussian of n rows, maximised over both precisions by brute force."""

    def loss(logs: np.ndarray) -> float:
        covariance = features @ features.T * np.exp(-logs[0]) + np.eye(len(target)) * np.exp(-logs[1])
        log_volume = np.linalg.slogdet(2 * np.pi * covariance)[1]
        return (log_volume + target @ np.linalg.solve(covariance, target)) / (2 * len(target))

    options = {"bounds": [(-18, 18)] * 2, "method": "Nelder-Mead", "options": {"xatol": 1e-6, "fatol": 1e-11}}
    return -min(minimize(loss, start, **options).fun for start in ([-3, 2], [0, 0], [4, 2]))


@pytest.mark.parametrize(("n", "width"), [(30, 4), (12, 20), (10, 10)])
def test_logme_is_the_greatest_evidence_that_brute_force_finds(n: int, width: int) -> None:
    features, labels = problem(n, width)
    wanted = np.mean([greatest_evidence(features.numpy(), (labels == c).double().numpy()) for c in range(3)])
    assert logme(features, labels) == pytest.approx(wanted, abs=1e-6)


def test_logme_of_real_targets_is_the_mean_over_outputs() -> None:
    features, _ = problem(25, 3)
    targets = torch.stack([2 * features[:, 0] + 1, torch.cos(features[:, 1])], 1)
    wanted = np.mean([greatest_evidence(features.numpy(), target.numpy()) for target in targets.T])
    assert logme(features, targets) == pytest.approx(wanted, abs=1e-6)
    assert logme(features, targets) == pytest.approx(np.mean([logme(features, t[:, None]) for t in targets.T]))


def test_logme_of_classes_is_that_of_their_zeros_and_ones_and_passes_over_classes_that_do_not_occur() -> None:
    features, labels = problem(30, 5)
    members = torch.nn.functional.one_hot(labels, 3)
    assert logme(features, labels) == pytest.approx(logme(features, members))
    assert logme(features, 7 * labels) == pytest.approx(logme(features, labels))
    assert logme(features, torch.cat([members, members[:, :1] * 0], 1)) == pytest.approx(logme(features, labels))


@pytest.mark.parametrize(("n", "width"), [(40, 6), (12, 30)])
def test_scores_do_not_change_when_rows_are_permuted_or_features_rotated_or_scaled(n: int, width: int) -> None:
    features, labels = problem(n, width)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    for score in (logme, h_score):
        value = score(features, labels)
        assert score(features[order], labels[order]) == pytest.approx(value)
        assert score(1e3 * features @ rotation(width), labels) == pytest.approx(value)


@pytest.mark.parametrize(("n", "width"), [(20, 5), (12, 30), (20, 19)])
def test_logme_does_not_change_when_columns_of_zeros_are_added(n: int, width: int) -> None:
    features, labels = problem(n, width)
    wider = torch.cat([features, torch.zeros(n, 40, dtype=torch.float64)], 1)
    assert logme(wider, labels) == pytest.approx(logme(features, labels))


@pytest.mark.parametrize(("n", "width"), [(90, 6), (60, 150)])
def test_scores_rise_as_the_classes_come_apart(n: int, width: int) -> None:
    for score in (logme, h_score):
        values = [score(*problem(n, width, apart=apart)) for apart in (0.0, 2.0, 5.0, 20.0)]
        assert values == sorted(values) and values[-1] > values[0] + 0.3


@pytest.mark.parametrize(("n", "width"), [(300, 10), (60, 150)])
def test_features_of_noise_score_little_more_than_no_features(n: int, width: int) -> None:
    noise, labels = problem(n, width, apart=0.0)
    nothing = logme(torch.zeros(n, width), labels)
    assert nothing == pytest.approx(-0.5 * np.log(2 * np.pi * np.e / 3))  # a Gaussian of the mean square of each output
    assert nothing - 1e-9 <= logme(noise, labels) < nothing + 0.1
    assert h_score(noise, labels) < 0.4


def test_an_exact_fit_scores_high_and_no_more_than_float32_could_tell() -> None:
    _, labels = problem(30, 3)
    exact = logme(torch.nn.functional.one_hot(labels).float(), labels)
    nothing = logme(torch.zeros(30, 3), labels)
    assert logme(*problem(30, 3, apart=5.0)) < exact < nothing + np.log(1e12) / 2


@pytest.mark.parametrize(("n", "width"), [(40, 6), (12, 30)])
def test_h_score_is_the_trace_with_scikit_learns_covariance(n: int, width: int) -> None:
    from sklearn.covariance import ledoit_wolf

    features, labels = problem(n, width)
    x = features.numpy() - features.numpy().mean(0)
    means = np.stack([x[labels == c].mean(0) for c in labels])
    covariance, pull = ledoit_wolf(x)
    wanted = np.trace(np.linalg.inv(covariance) @ ((1 - pull) * means.T @ means / n))
    assert h_score(features, labels) == pytest.approx(wanted)
    plain = np.trace(np.linalg.pinv(x.T @ x, rcond=1e-12) @ means.T @ means)
    assert h_score(features, labels, shrinkage=False) == pytest.approx(plain)


def test_h_score_stays_between_zero_and_one_less_than_the_classes() -> None:
    features, labels = problem(30, 4, apart=1e4)
    assert h_score(features, labels, shrinkage=False) == pytest.approx(2, abs=1e-6)
    assert 0 < h_score(*problem(10, 60)) < 2
    assert h_score(*problem(10, 60), shrinkage=False) == pytest.approx(2)  # which is why there is shrinkage
    assert h_score(torch.ones(6, 3), torch.arange(6) % 2) == 0 == h_score(torch.zeros(6, 3), torch.arange(6) % 2)


def test_leep_is_its_definition() -> None:
    probs, labels = guesses(40, 5), torch.arange(40) % 3
    p, y = probs.numpy(), labels.numpy()
    joint = np.array([p[y == c].sum(0) for c in range(3)]) / 40
    wanted = np.mean([np.log(sum(p[i, z] * joint[y[i], z] / joint[:, z].sum() for z in range(5))) for i in range(40)])
    assert leep(probs, labels) == pytest.approx(wanted)
    assert leep(torch.cat([probs, torch.zeros(40, 2)], 1), labels) == pytest.approx(wanted)
    assert leep(1.005 * probs, labels) == pytest.approx(wanted)  # low precision leaves sums a little off 1


def test_nce_is_minus_the_conditional_entropy() -> None:
    sources, labels = torch.tensor([0, 0, 0, 0, 9, 9]), torch.tensor([1, 1, 1, 4, 4, 4])
    assert nce(sources, labels) == pytest.approx(4 / 6 * (0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert nce(labels, labels) == 0


def test_leep_of_certain_predictions_is_nce() -> None:
    sources, labels = guesses(50, 4).argmax(1), torch.arange(50) % 3
    assert leep(torch.nn.functional.one_hot(sources, 4).double(), labels) == pytest.approx(nce(sources, labels))


@pytest.mark.parametrize("seed", range(20))
def test_neither_leep_nor_nce_is_below_minus_the_entropy_of_the_labels(seed: int) -> None:
    # LEEP's guesses are the first step of EM from the label frequencies, and EM never lowers a likelihood
    probs, labels = guesses(12, 4, seed), torch.from_numpy(np.random.default_rng(seed).permutation(12) % 3)
    for score in (leep(probs, labels), nce(probs.argmax(1), labels)):
        assert -np.log(3) - 1e-12 <= score <= 0
    assert leep(torch.full((12, 4), 0.25), labels) == pytest.approx(-np.log(3))


def test_proxy_a_distance_is_near_zero_on_one_distribution_and_two_on_separate_ones() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 5)), rng.normal(size=(200, 5))
    assert proxy_a_distance(x, y, folds=5, seed=0) < 0.3
    assert proxy_a_distance(x, y + 30, folds=5, seed=0) == 2
    distances = [proxy_a_distance(x, y + shift, folds=5, seed=0) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert distances == sorted(distances)


def test_proxy_a_distance_is_twice_one_less_two_bayes_errors_whatever_the_sizes_and_units() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4000, 1)), rng.normal(size=(400, 1)) + 2  # the best error of each side is Phi(-1) = 0.1587
    distance = proxy_a_distance(x, y, folds=4, seed=0)
    assert distance == pytest.approx(2 * (1 - 2 * 0.1587), abs=0.1)
    assert proxy_a_distance(1e4 * x + 7, 1e4 * y + 7, folds=4, seed=0) == pytest.approx(distance)
    assert proxy_a_distance(x, y, folds=4, seed=0) == distance


def test_scores_take_half_precision_and_gradients_and_leave_no_graph() -> None:
    features, labels = problem(30, 4)
    half = features.bfloat16().requires_grad_()
    assert logme(half, labels) == pytest.approx(logme(half.detach().double(), labels))
    assert leep(guesses(30, 4).bfloat16(), labels) == pytest.approx(leep(guesses(30, 4), labels), abs=0.01)


def test_what_cannot_be_scored_is_refused_with_its_shape() -> None:
    features, labels = problem(12, 4)
    for score in (logme, h_score):
        with pytest.raises(ValueError, match=r"features must be \[n, width\].*got shape \[12\]"):
            score(features[:, 0], labels)
        with pytest.raises(ValueError, match=r"whole numbers \[n\].*shape \[11\] for 12 rows"):
            score(features, labels[1:])
        with pytest.raises(ValueError, match="whole numbers"):
            score(features, labels.double())
        with pytest.raises(ValueError, match="all 12 rows are of class 0"):
            score(features, labels * 0)
        with pytest.raises(ValueError, match="finite"):
            score(features / 0, labels)
    with pytest.raises(ValueError, match="no output"):
        logme(features, torch.zeros(12, 2))
    with pytest.raises(ValueError, match="11 for 12"):
        logme(features, torch.ones(11, 2))
    with pytest.raises(ValueError, match="softmax the logits"):
        leep(features, labels)
    with pytest.raises(ValueError, match="source_labels must be whole numbers"):
        nce(labels.double(), labels)
    with pytest.raises(ValueError, match="whole numbers"):
        nce(labels, labels[1:])
    x = features.numpy()
    for y, folds in ((x[:, :2], 2), (x[:3], 4), (x, 1), (np.full_like(x, np.nan), 2)):
        with pytest.raises(ValueError, match="x and y must|folds must"):
            proxy_a_distance(x, y, folds=folds, seed=0)
