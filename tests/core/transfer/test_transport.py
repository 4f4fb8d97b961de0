"""Sinkhorn and sliced Wasserstein, held to float64 references and to exact transport."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance
from torch import Tensor
from torch.autograd import gradcheck

from medplug.core.transfer import sinkhorn, sliced_wasserstein


def pair(
    n: int, m: int, width: int, *, seed: int = 0, offset: float = 0.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64) + offset
    y = torch.randn(m, width, generator=generator, dtype=torch.float64) + 0.7 + offset
    return x.to(dtype).requires_grad_(), y.to(dtype).requires_grad_()


def squared(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] - y[None]).square().sum(2)


def entropic_cost(x: Tensor, y: Tensor, epsilon: float, steps: int = 400) -> Tensor:
    """The dual value by plain scaling of the kernel, through which autograd may go."""
    gibbs = torch.exp(-squared(x, y) / epsilon)
    n, m = gibbs.shape
    u, v = torch.ones(n, dtype=x.dtype), torch.ones(m, dtype=x.dtype)
    for _ in range(steps):
        u = 1 / (gibbs @ v / m)
        v = 1 / (gibbs.T @ u / n)
    return epsilon * (u.log().mean() + v.log().mean())


def sinkhorn_reference(x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    return entropic_cost(x, y, epsilon) - entropic_cost(x, x, epsilon) / 2 - entropic_cost(y, y, epsilon) / 2


@pytest.mark.parametrize(("n", "m"), [(6, 6), (4, 7), (1, 5)])
def test_sinkhorn_and_its_gradient_are_the_references(n: int, m: int) -> None:
    x, y = pair(n, m, 3)
    ours, wanted = sinkhorn(x, y, epsilon=2.0, iterations=200), sinkhorn_reference(x, y, 2.0)
    torch.testing.assert_close(ours, wanted)
    for got, right in zip(*(torch.autograd.grad(value, (x, y)) for value in (ours, wanted)), strict=True):
        torch.testing.assert_close(got, right)


def test_sinkhorns_gradient_is_that_of_its_value_once_settled() -> None:
    x, y = pair(3, 4, 2)
    assert gradcheck(lambda x, y: sinkhorn(x, y, epsilon=3.0, iterations=100), (x, y))


def test_the_usual_settings_have_nearly_settled() -> None:
    for seed in range(3):
        x, y = pair(20, 30, 16, seed=seed)
        few, many = sinkhorn(x, y), sinkhorn(x, y, iterations=500)
        assert few.item() == pytest.approx(many.item(), rel=0.02)


def test_little_entropy_is_exact_transport() -> None:
    x, y = pair(7, 7, 2)
    cost = squared(x, y).detach()
    rows, columns = linear_sum_assignment(cost.numpy())
    assert sinkhorn(x, y, epsilon=0.02, iterations=3000).item() == pytest.approx(
        float(cost[rows, columns].mean()), rel=0.01
    )


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6), (3, 7), (1, 4)])
def test_a_line_is_measured_exactly(n: int, m: int, p: float) -> None:
    x, y = pair(n, m, 1)
    repeated = x.repeat_interleave(m, 0).sort(0).values, y.repeat_interleave(n, 0).sort(0).values
    wanted = (repeated[0] - repeated[1]).abs().pow(p).mean()
    ours = sliced_wasserstein(x, y, projections=3, p=p)
    torch.testing.assert_close(ours, wanted)
    for got, right in zip(*(torch.autograd.grad(value, (x, y)) for value in (ours, wanted)), strict=True):
        torch.testing.assert_close(got, right)
    if p == 1:
        first, second = x.detach().ravel().numpy(), y.detach().ravel().numpy()
        assert ours.item() == pytest.approx(wasserstein_distance(first, second))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6)])
def test_directions_are_averaged_over(n: int, m: int) -> None:
    x, y = pair(n, m, 3)

    def seeded(x: Tensor, y: Tensor) -> Tensor:
        return sliced_wasserstein(x, y, projections=20, generator=torch.Generator().manual_seed(1))

    lines = torch.randn(3, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grid = (np.arange(n * m) + 0.5) / (n * m)
    values = []
    for line in (lines / lines.norm(dim=0)).T:
        a, b = (np.sort((sample @ line).detach().numpy()) for sample in (x, y))
        values.append(np.mean((a[(grid * n).astype(int)] - b[(grid * m).astype(int)]) ** 2))
    assert seeded(x, y).item() == pytest.approx(float(np.mean(values)))
    assert gradcheck(seeded, (x, y))


def test_a_shift_is_measured_by_its_length() -> None:
    x = pair(50, 1, 8)[0]
    shift = torch.arange(8.0, dtype=torch.float64)
    many = sliced_wasserstein(x, x + shift, projections=20_000, generator=torch.Generator().manual_seed(0))
    assert many.item() == pytest.approx((shift.square().sum() / 8).item(), rel=0.05)
    assert sinkhorn(x, x + shift, iterations=500).item() == pytest.approx(shift.square().sum().item(), rel=1e-3)


def seeded_slices(x: Tensor, y: Tensor) -> Tensor:
    return sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(0))


BOTH = pytest.mark.parametrize("layer", [sinkhorn, seeded_slices])
Layer = Callable[[Tensor, Tensor], Tensor]


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lesser_types_keep_their_digits_at_an_offset_of_1000(layer: Layer, dtype: torch.dtype) -> None:
    x, y = pair(24, 16, 32, offset=1000.0 if dtype == torch.float32 else 0.0, dtype=dtype)
    wide = x.detach().double().requires_grad_(), y.detach().double().requires_grad_()
    lines = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    if layer is seeded_slices:  # float64 draws other directions than float32
        lines = (lines / lines.norm(dim=0)).double()
        pairs = [(a @ lines).sort(0).values for a in wide]
        wanted = (pairs[0].repeat_interleave(2, 0) - pairs[1].repeat_interleave(3, 0)).square().mean()
    else:
        wanted = sinkhorn(*wide)
    value = layer(x, y)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-4)
    for got, right in zip(torch.autograd.grad(value, (x, y)), torch.autograd.grad(wanted, wide), strict=True):
        assert (got - right).norm() < max(1e-3, torch.finfo(dtype).eps) * right.norm()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equal_samples_are_exactly_zero_apart(layer: Layer, dtype: torch.dtype) -> None:
    for n in (1, 6, 13):
        x = pair(n, 1, 5, dtype=dtype)[0]
        assert layer(x, x.clone()).item() == 0.0
        assert 0 <= layer(x, x.flip(0)).item() < 1e-5


@BOTH
def test_neither_the_sides_nor_the_order_of_rows_matter(layer: Layer) -> None:
    x, y = pair(6, 9, 4)
    for other in (layer(y, x), layer(x.flip(0), y.roll(2, 0))):
        torch.testing.assert_close(other, layer(x, y))


@BOTH
def test_repeated_rows_give_finite_values_and_gradients(layer: Layer) -> None:
    for y in (torch.ones(3, 2), torch.zeros(6, 2)):
        x = torch.ones(6, 2, requires_grad=True)
        value = layer(x, y)
        value.backward()
        assert value.isfinite() and x.grad is not None and x.grad.isfinite().all()
        assert (value > 0.1) == (y == 0).all()


@BOTH
def test_autocast_does_not_reach_the_products(layer: Layer) -> None:
    x, y = pair(24, 16, 32, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = layer(x, y)
    assert torch.equal(inside, layer(x, y))


def test_what_makes_no_sense_is_refused() -> None:
    x, y = torch.ones(4, 3), torch.ones(5, 3)
    with pytest.raises(ValueError, match=r"epsilon > 0 and iterations >= 1; got 0.0 and 50"):
        sinkhorn(x, y, epsilon=0.0)
    with pytest.raises(ValueError, match="got None and 0"):
        sinkhorn(x, y, iterations=0)
    with pytest.raises(ValueError, match=r"projections >= 1 and p >= 1; got 64 and 0.5"):
        sliced_wasserstein(x, y, p=0.5)
    for layer in (sinkhorn, sliced_wasserstein):
        with pytest.raises(ValueError, match="one width"):
            layer(x, y[:, :2])
