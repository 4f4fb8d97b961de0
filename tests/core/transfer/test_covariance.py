"""CORAL, held to a float64 reference, by either route."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from medplug.core.transfer import coral, covariance

SIZES = [(8, 8, 3), (3, 4, 20), (2, 9, 5), (5, 2, 6)]


def pair(
    n: int, m: int, width: int, *, offset: float = 0.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n * m + width)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64) + offset
    y = torch.randn(m, width, generator=generator, dtype=torch.float64) * 1.3 + offset
    return x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()


def reference(x: Tensor, y: Tensor) -> Tensor:
    return (torch.cov(x.T) - torch.cov(y.T)).square().sum() / (4 * x.shape[1] ** 2)


@pytest.fixture(params=[True, False], ids=["dual", "primal"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covariance, "dual_is_cheaper", lambda n, m, width: request.param)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize(("n", "m", "width"), SIZES)
def test_value_and_gradient_are_the_references_by_either_route(n: int, m: int, width: int) -> None:
    x, y = pair(n, m, width)
    ours, wanted = coral(x, y), reference(x, y)
    torch.testing.assert_close(ours, wanted)
    for got, right in zip(*(torch.autograd.grad(value, (x, y)) for value in (ours, wanted)), strict=True):
        torch.testing.assert_close(got, right)
    assert gradcheck(coral, (x, y))


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_lesser_types_keep_their_digits(dtype: torch.dtype, offset: float) -> None:
    x, y = pair(24, 16, 32, offset=offset, dtype=dtype)
    wide = x.detach().double().requires_grad_(), y.detach().double().requires_grad_()
    value, wanted = coral(x, y), reference(*wide)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-4)
    for got, right in zip(torch.autograd.grad(value, (x, y)), torch.autograd.grad(wanted, wide), strict=True):
        assert (got - right).norm() < max(1e-4, torch.finfo(dtype).eps) * right.norm()


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equal_samples_are_exactly_zero_apart(dtype: torch.dtype) -> None:
    for n in range(2, 20, 3):
        x = pair(n, n, 11, offset=2.0, dtype=dtype)[0]
        assert coral(x, x.clone()).item() == 0.0
        assert 0 <= coral(x, x.flip(0)).item() < 1e-6


@pytest.mark.usefixtures("route")
def test_neither_the_sides_nor_order_nor_shifts_matter_and_no_spread_is_finite() -> None:
    x, y = pair(6, 9, 5)
    for other in (coral(y, x), coral(x.flip(0), y), coral(x + 3, y - 2)):
        torch.testing.assert_close(other, coral(x, y))
    still = torch.ones(4, 3).requires_grad_()
    value = coral(still, still[:2] * 2)
    value.backward()
    assert value == 0 and still.grad is not None and (still.grad == 0).all()


def test_autocast_does_not_reach_the_products() -> None:
    x, y = pair(24, 16, 32, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = coral(x, y)
    assert torch.equal(inside, coral(x, y))


@pytest.mark.parametrize(
    ("n", "width", "dual"), [(32, 2048, True), (64, 2048, True), (256, 768, True), (1024, 384, False)]
)
def test_the_cheaper_route_is_taken(n: int, width: int, dual: bool) -> None:
    assert covariance.dual_is_cheaper(n, n, width) is dual


def test_one_row_has_no_covariance() -> None:
    with pytest.raises(ValueError, match=r"two rows a side for a covariance; got shapes \[1, 3\], \[4, 3\]"):
        coral(torch.ones(1, 3), torch.ones(4, 3))
    with pytest.raises(ValueError, match="one width"):
        coral(torch.ones(2, 3), torch.ones(4, 2))
