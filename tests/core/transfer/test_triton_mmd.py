"""The fused kernels, run by Triton's interpreter on the CPU and held to a float64 reference that broadcasts.

Whether a kernel is interpreted is settled when triton is imported, and other
tests may have imported it: a Python of its own computes all cases at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed here")

LADDER = [4.0, 8.0, 16.0]
UNEVEN = [3.0, 5.0, 17.0]
Case = tuple[int, int, int, dict[str, Any]]
CASES: dict[str, Case] = {
    "one tile": (40, 24, 16, {}),
    "odd sizes": (50, 83, 33, {}),
    "one row": (1, 70, 130, {}),
    "wide": (65, 30, 300, {}),
    "offset": (70, 60, 64, {"offset": 1000.0}),
    "one kernel": (50, 30, 20, {"bandwidths": [6.0]}),
    "uneven ladder": (50, 30, 20, {"bandwidths": UNEVEN}),
    "unbiased": (50, 83, 33, {"biased": False}),
    "bands": (130, 83, 33, {"band": 64}),
    "unbiased bands": (60, 143, 33, {"band": 64, "biased": False}),
    "median": (50, 83, 33, {"bandwidths": None}),
    "weights": (50, 83, 33, {"weighted": True}),
    "bfloat16": (150, 83, 65, {"dtype": torch.bfloat16}),
    "bfloat16 at an offset": (60, 83, 65, {"dtype": torch.bfloat16, "offset": 20.0}),
}
INTERPRETED = """
import sys
import torch
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle, tl
from medplug.core.transfer import kernel_sum, mmd, triton_mmd

def widened(handle):  # the interpreter keeps bfloat16 as bare bits, and its product of matrices multiplies the bits
    if handle.dtype.scalar != tl.bfloat16:
        return handle
    return TensorHandle((handle.data.astype("uint32") << 16).view("float32"), tl.float32)

dot = InterpreterBuilder.create_dot
InterpreterBuilder.create_dot = lambda self, a, b, *rest: dot(self, widened(a), widened(b), *rest)
calls = []
kernel_sum._fusable = lambda plan, samples: calls.append(1) or True
bytes_of_a_band, found = triton_mmd.BAND_BYTES, {}
for name, case in torch.load(sys.argv[1]).items():
    x, y, band = case.pop("x").requires_grad_(), case.pop("y").requires_grad_(), case.pop("band")
    triton_mmd.BAND_BYTES = band * (len(x) + len(y)) * 4 if band else bytes_of_a_band
    value = mmd(x, y, **case)
    value.backward()
    with torch.no_grad():
        found[name] = value.detach(), x.grad, y.grad, mmd(x, y, **case)
assert len(calls) == 2 * len(found)
torch.save(found, sys.argv[2])
"""


def inputs(name: str, case: Case) -> dict[str, Any]:
    n, m, width, given = case
    generator = torch.Generator().manual_seed(len(name))
    made = {"bandwidths": LADDER, "biased": True, "band": 0, **given}
    offset, dtype = made.pop("offset", 0.0), made.pop("dtype", torch.float32)
    if made.pop("weighted", False):
        made["x_weights"] = torch.rand(n, generator=generator)
    x, y = (torch.randn(rows, width, generator=generator) for rows in (n, m))
    return {**made, "x": (x + offset).to(dtype), "y": (y * 1.1 + 0.2 + offset).to(dtype)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tensor, ...]]:
    """Each case's value, gradients, and value without a gradient."""
    folder: Path = tmp_path_factory.mktemp("interpreted")
    cases = {name: inputs(name, case) for name, case in CASES.items()}
    cases |= {f"equal {d}": equal(getattr(torch, d)) for d in ("float32", "bfloat16")}
    cases["shuffled"] = {**equal(torch.float32), "y": equal(torch.float32)["x"].flip(0)}
    torch.save(cases, folder / "cases")
    command = [sys.executable, "-c", INTERPRETED, str(folder / "cases"), str(folder / "found")]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(torch.load(folder / "found"))


def equal(dtype: torch.dtype) -> dict[str, Any]:
    x = inputs("equal", (70, 1, 33, {"dtype": dtype}))["x"]
    return {"x": x, "y": x.clone(), "band": 0}


def reference(x: Tensor, y: Tensor, bandwidths: Sequence[float] | None, biased: bool, weights: Tensor | None) -> Tensor:
    joint = torch.cat([x, y])
    distances = (joint[:, None] - joint[None]).square().sum(2)
    if bandwidths is None:
        upper = torch.triu_indices(len(joint), len(joint), 1)
        median = distances.detach()[upper[0], upper[1]].median().sqrt()
        bandwidths = [float(median) * 2.0**k for k in (-2, -1, 0, 1, 2)]
    kernel = sum(torch.exp(-distances / (2 * b**2)) for b in bandwidths) / len(bandwidths)
    n, m = len(x), len(y)
    if not biased:
        xx, yy = kernel[:n, :n].sum() - n, kernel[n:, n:].sum() - m
        return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * kernel[:n, n:].mean()
    share = x.new_full((n,), 1 / n) if weights is None else weights.double() / weights.double().sum()
    mass = torch.cat([share, y.new_full((m,), -1 / m)])
    return mass @ kernel @ mass


def expected(name: str) -> tuple[Tensor, Tensor, Tensor]:
    given = inputs(name, CASES[name])
    x, y = (given[side].double().requires_grad_() for side in ("x", "y"))
    value = reference(x, y, given["bandwidths"], given["biased"], given.get("x_weights"))
    return value.detach(), *torch.autograd.grad(value, (x, y))


@pytest.mark.parametrize("name", [name for name in CASES if "bfloat16" not in name])
def test_value_and_gradient_are_the_references(name: str, found: dict[str, tuple[Tensor, ...]]) -> None:
    value, *gradients, alone = found[name]
    wanted, *right = expected(name)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-7)
    assert torch.equal(alone, value)
    for got, gradient in zip(gradients, right, strict=True):
        assert (got - gradient).norm() < 1e-4 * gradient.norm()


@pytest.mark.parametrize("name", [name for name in CASES if "bfloat16" in name])
def test_bfloat16_rows_cost_no_more_than_their_own_rounding(name: str, found: dict[str, tuple[Tensor, ...]]) -> None:
    value, *gradients, _ = found[name]
    wanted, *right = expected(name)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=5e-3)
    for got, gradient in zip(gradients, right, strict=True):
        assert got.dtype == torch.bfloat16
        assert (got.double() - gradient).norm() < torch.finfo(torch.bfloat16).eps * gradient.norm()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_samples_are_exactly_zero_apart(dtype: str, found: dict[str, tuple[Tensor, ...]]) -> None:
    value, *gradients, alone = found[f"equal {dtype}"]
    assert value.item() == alone.item() == 0.0
    assert all(gradient.abs().max() < 1e-6 for gradient in gradients)
    assert 0 <= found["shuffled"][0].item() < 1e-6


def test_triton_is_imported_only_where_its_kernels_run() -> None:
    code = """
import sys, torch
from medplug.core.transfer import mmd
mmd(torch.randn(2000, 2), torch.randn(2000, 2))
print("triton" in sys.modules, "medplug.core.transfer.triton_mmd" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine could run what is refused here")
def test_a_cpus_samples_stay_on_the_torch_path() -> None:
    from medplug.core.transfer import kernel_sum

    plan = kernel_sum._Plan(torch.ones(4096, 1), 2048, None, [None], torch.float32)
    assert not kernel_sum._fusable(plan, [torch.ones(2048, 2)] * 2)
