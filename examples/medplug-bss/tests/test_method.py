"""The penalty, held against a float64 reference and the gradients of finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from medplug_bss.method import spectral_shrinkage


def drawn(rows: int, width: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(rows, width))


def reference(features: NDArray[np.float64], smallest: int) -> float:
    """By the eigenvalues of the smaller Gram matrix, which are the squares of the singular values."""
    gram = features @ features.T if len(features) <= features.shape[1] else features.T @ features
    return float(np.sort(np.linalg.eigvalsh(gram))[:smallest].sum())


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
@pytest.mark.parametrize("smallest", [1, 2, 3])
def test_the_value_is_the_sum_of_the_smallest_eigenvalues_of_the_gram_matrix(
    shape: tuple[int, int], smallest: int
) -> None:
    features = drawn(*shape)
    found = spectral_shrinkage(torch.from_numpy(features), smallest)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.item(), reference(features, smallest), rtol=1e-9)
    single = spectral_shrinkage(torch.from_numpy(features).float(), smallest)
    np.testing.assert_allclose(single.item(), reference(features, smallest), rtol=1e-3)


@pytest.mark.parametrize("smallest", [1, 2])
def test_its_gradient_is_that_of_finite_differences(smallest: int) -> None:
    features = torch.from_numpy(drawn(5, 7)).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: spectral_shrinkage(each, smallest), (features,))


def test_rotating_the_features_or_mixing_the_order_of_rows_changes_nothing() -> None:
    features, turn = drawn(8, 5), np.linalg.qr(drawn(5, 5, seed=1))[0]
    plain = spectral_shrinkage(torch.from_numpy(features), 2)
    torch.testing.assert_close(spectral_shrinkage(torch.from_numpy(features @ turn), 2), plain)
    torch.testing.assert_close(spectral_shrinkage(torch.from_numpy(features[::-1].copy()), 2), plain)


def test_features_that_lack_a_direction_cost_nothing_and_have_a_finite_gradient() -> None:
    flat = drawn(6, 4)
    flat[:, 3] = flat[:, 0] + flat[:, 1]
    features = torch.from_numpy(flat).requires_grad_()
    value = spectral_shrinkage(features)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() < 1e-20
    assert features.grad is not None and bool(features.grad.isfinite().all())


@pytest.mark.parametrize(("rows", "smallest"), [(1, 1), (2, 2), (2, 5)])
def test_a_batch_with_no_more_singular_values_than_are_shrunk_is_left_alone(rows: int, smallest: int) -> None:
    features = torch.from_numpy(drawn(rows, 5)).requires_grad_()
    value = spectral_shrinkage(features, smallest)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert features.grad is not None and not bool(features.grad.any())


def test_half_precision_is_widened_before_anything_is_computed() -> None:
    features = drawn(6, 9)
    halved = torch.from_numpy(features).bfloat16()
    found = spectral_shrinkage(halved, 2)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.item(), reference(halved.double().numpy(), 2), rtol=1e-4)


def test_descending_the_penalty_shrinks_the_weakest_direction_and_spares_the_strongest() -> None:
    start: Any = torch.from_numpy(drawn(6, 4) * np.array([5.0, 3.0, 2.0, 0.5]))
    features = start.clone().requires_grad_()
    for _ in range(50):
        (slope,) = torch.autograd.grad(spectral_shrinkage(features), features)
        features = (features - 0.1 * slope).detach().requires_grad_()
    before, after = torch.linalg.svdvals(start), torch.linalg.svdvals(features.detach())
    torch.testing.assert_close(after[:-1], before[:-1])
    assert after[-1] < 0.01 * before[-1]
