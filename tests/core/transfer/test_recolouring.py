"""Recolouring, held to its definition: the moved rows have the target's mean and covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from medplug.core.transfer.covariance import coral
from medplug.core.transfer.recolouring import recolour


def pair(n: int, m: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(n + m + width)
    mixing = random.normal(size=(width, width))
    return random.normal(size=(n, width)) * 2 + 5, random.normal(size=(m, width)) @ mixing - 3


def test_without_shrinkage_the_moved_rows_have_the_targets_mean_and_covariance() -> None:
    source, target = pair(40, 30, 6)
    moved = recolour(source, target, shrinkage=0)(source)
    np.testing.assert_allclose(moved.mean(0), target.mean(0))
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T))
    assert coral(torch.from_numpy(moved), torch.from_numpy(target)).item() < 1e-20


def test_whitening_is_symmetric_as_the_paper_has_it() -> None:
    source, target = pair(40, 30, 4)
    found = recolour(source, target, shrinkage=0)
    values, vectors = np.linalg.eigh(np.cov(source.T))
    whiten = vectors @ np.diag(values**-0.5) @ vectors.T
    values, vectors = np.linalg.eigh(np.cov(target.T))
    np.testing.assert_allclose(found.matrix, whiten @ vectors @ np.diag(values**0.5) @ vectors.T)
    np.testing.assert_allclose(found.source_mean, source.mean(0))


@pytest.mark.parametrize("shrinkage", [None, 0.3])
def test_equal_samples_stay_where_they_are(shrinkage: float | None) -> None:
    source, _ = pair(5, 5, 12)
    found = recolour(source, source, shrinkage=shrinkage)
    np.testing.assert_allclose(found.matrix, np.eye(12), atol=1e-10)
    np.testing.assert_allclose(found(source), source)


def test_shrinkage_is_ledoits_and_wolfs_unless_told() -> None:
    source, target = pair(9, 14, 5)
    shares = [ledoit_wolf(side)[1] for side in (source, target)]
    mixed = []
    for side, share in zip((source, target), shares, strict=True):
        plain = np.cov(side.T)
        mixed.append((1 - share) * plain + share * np.trace(plain) / 5 * np.eye(5))
    matrix = recolour(source, target).matrix
    np.testing.assert_allclose(matrix.T @ mixed[0] @ matrix, mixed[1])


def test_fewer_rows_than_features_give_a_finite_map_that_can_be_undone() -> None:
    source, target = pair(8, 3, 50)
    there, back = recolour(source, target), recolour(target, source)
    assert np.isfinite(there.matrix).all()
    np.testing.assert_allclose(there.matrix @ back.matrix, np.eye(50), atol=1e-8)


def test_directions_without_variance_are_left_out_when_nothing_is_shrunk() -> None:
    source, target = pair(40, 30, 4)
    source[:, 2] = 1.0
    moved = recolour(source, target, shrinkage=0)(source)
    assert np.isfinite(moved).all() and np.linalg.matrix_rank(np.cov(moved.T)) == 3
    still = np.ones((3, 4))
    np.testing.assert_allclose(recolour(still, target)(still), np.tile(target.mean(0), (3, 1)))


def test_tensors_move_as_arrays_do_and_pass_their_gradient() -> None:
    source, target = pair(20, 30, 4)
    rows = torch.from_numpy(source).requires_grad_()
    found = recolour(rows, torch.from_numpy(target))
    moved = found(rows)
    np.testing.assert_allclose(moved.detach().numpy(), recolour(source, target)(source))
    moved.sum().backward()
    assert rows.grad is not None
    np.testing.assert_allclose(rows.grad.numpy(), np.tile(found.matrix.sum(1), (20, 1)))
    with torch.autocast("cpu", torch.bfloat16):
        narrow = found(rows.detach().bfloat16())
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, found(rows.detach().bfloat16().float()))


def test_what_has_no_covariance_is_refused() -> None:
    source, target = pair(5, 6, 3)
    with pytest.raises(ValueError, match=r"source must be \[rows, width\] with two rows .* got shape \[1, 3\]"):
        recolour(source[:1], target)
    with pytest.raises(ValueError, match=r"one width; got shapes \[5, 3\] and \[6, 2\]"):
        recolour(source, target[:, :2])
    with pytest.raises(ValueError, match="target must be finite; got 1 value"):
        recolour(source, np.where(np.arange(18).reshape(6, 3) == 4, np.nan, target))
    with pytest.raises(ValueError, match=r"between 0 and 1, or be None; got 1.5"):
        recolour(source, target, shrinkage=1.5)
    with pytest.raises(ValueError, match=r"rows must be \[rows, 3\]; got shape \[6, 2\]"):
        recolour(source, target)(target[:, :2])
