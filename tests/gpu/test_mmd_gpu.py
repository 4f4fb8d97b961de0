"""MMD's fused kernels on a GPU, held to a float64 reference; without one, test_triton_mmd.py interprets them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from medplug.core.transfer import kernel_sum, mmd

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed here"),
]
LADDER = [4.0, 8.0, 16.0]
SIZES = [(1100, 1300, 33), (2048, 1024, 768), (1031, 1500, 2048)]


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Every sum is asked of the fused kernels, and made by them."""
    ways: list[bool] = []
    fusable = kernel_sum._fusable
    monkeypatch.setattr(kernel_sum, "_fusable", lambda *given: ways.append(fusable(*given)) or ways[-1])
    yield ways
    assert ways and all(ways), "the torch path ran"


def pair(n: int, m: int, width: int, dtype: torch.dtype, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    x, y = (torch.randn(rows, width, generator=generator, device="cuda") for rows in (n, m))
    return (x + offset).to(dtype).requires_grad_(), (y * 1.1 + 0.1 + offset).to(dtype).requires_grad_()


def reference(x: Tensor, y: Tensor, bandwidths: list[float], biased: bool = True) -> Tensor:
    joint = torch.cat([x, y]).double()
    joint = joint - joint.detach().mean(0)
    squares = joint.square().sum(1)
    distances = (squares[:, None] + squares - 2 * joint @ joint.T).clamp(min=0)
    kernel = sum(torch.exp(-distances / (2 * b**2)) for b in bandwidths) / len(bandwidths)
    n = len(x)
    if biased:
        return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    within = [
        (block.sum() - block.trace()) / (len(block) * (len(block) - 1)) for block in (kernel[:n, :n], kernel[n:, n:])
    ]
    return sum(within) - 2 * kernel[:n, n:].mean()


def same(x: Tensor, y: Tensor, bandwidths: list[float], tolerance: float, *, biased: bool = True) -> None:
    value = mmd(x, y, bandwidths=bandwidths, biased=biased)
    got = torch.autograd.grad(value, (x, y))
    wide = [sample.detach().double().requires_grad_() for sample in (x, y)]
    wanted = reference(*wide, bandwidths, biased)
    assert value.item() == pytest.approx(wanted.item(), rel=tolerance, abs=1e-6)
    for ours, right in zip(got, torch.autograd.grad(wanted, wide), strict=True):
        assert (ours.double() - right).norm() < tolerance * right.norm()


@pytest.mark.parametrize(("n", "m", "width"), SIZES)
@pytest.mark.parametrize("biased", [True, False])
def test_value_and_gradient_are_the_references(n: int, m: int, width: int, biased: bool) -> None:
    x, y = pair(n, m, width, torch.float32)
    same(x, y, [width**0.5 * b for b in (0.5, 1.0, 2.0)], 1e-3, biased=biased)


@pytest.mark.parametrize(("n", "m", "width"), SIZES)
def test_bfloat16_rows_cost_no_more_than_their_own_rounding(n: int, m: int, width: int) -> None:
    x, y = pair(n, m, width, torch.bfloat16)
    same(x, y, [width**0.5 * b for b in (0.5, 1.0, 2.0)], 2e-2)


def test_float32_keeps_its_digits_at_an_offset_of_1000() -> None:
    same(*pair(1100, 1300, 64, torch.float32, offset=1000.0), LADDER, 1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equal_samples_are_exactly_zero_apart(dtype: torch.dtype) -> None:
    x = pair(1100, 1, 65, dtype)[0]
    value = mmd(x, x.detach().clone())
    value.backward()
    assert value.item() == 0.0 and x.grad is not None and x.grad.abs().max() < 1e-6


def test_every_run_gives_the_same_bits() -> None:
    x, y = pair(1100, 1300, 65, torch.float32)
    runs = [(value := mmd(x, y), *torch.autograd.grad(value, (x, y))) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


@pytest.mark.parametrize("bandwidths", [None, LADDER])
def test_no_value_is_read_back_from_the_device(bandwidths: list[float] | None) -> None:
    x, y = pair(1100, 1300, 65, torch.bfloat16)
    mmd(x, y, bandwidths=bandwidths).backward()  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        mmd(x, y, bandwidths=bandwidths).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_matrix_of_all_pairs_is_kept(dtype: torch.dtype) -> None:
    n = 16_384
    x, y = pair(n, n, 768, dtype)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    mmd(x, y).backward()
    assert torch.cuda.max_memory_allocated() - before < n * n * 4
