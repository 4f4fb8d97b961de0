"""Gradient reversal, held to finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medplug.core.transfer.reversal import reversal_coefficient, reverse_gradient


def sample(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def before(x: Tensor) -> Tensor:
    return torch.tanh(x) * x


def after(features: Tensor) -> Tensor:
    return (features.sin() * features.sum(0)).square().mean()


def numeric_gradient(x: Tensor, step: float = 1e-6) -> Tensor:
    """Of ``after(before(x))``, with nothing reversed."""
    gradient = torch.zeros_like(x)
    for place in range(x.numel()):
        nudge = torch.zeros_like(x)
        nudge.view(-1)[place] = step
        gradient.view(-1)[place] = (after(before(x + nudge)) - after(before(x - nudge))) / (2 * step)
    return gradient


@pytest.mark.parametrize("coefficient", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_the_gradient_is_the_numeric_one_times_minus_the_coefficient(coefficient: float, as_tensor: bool) -> None:
    x = sample(4, 3).requires_grad_()
    given = torch.tensor(coefficient, dtype=torch.float64) if as_tensor else coefficient
    value = after(reverse_gradient(before(x), given))
    (gradient,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(value, after(before(x)), rtol=0, atol=0)
    torch.testing.assert_close(gradient, -coefficient * numeric_gradient(x.detach()), rtol=1e-6, atol=1e-8)


def test_what_follows_the_reversal_learns_as_if_it_were_not_there() -> None:
    x, weight = sample(4, 3).requires_grad_(), sample(3).requires_grad_()
    straight, turned = (torch.autograd.grad(after(f * weight), (weight, x)) for f in (x, reverse_gradient(x, 0.5)))
    torch.testing.assert_close(turned[0], straight[0])
    torch.testing.assert_close(turned[1], -0.5 * straight[1])


def test_two_reversals_are_none() -> None:
    x = sample(4, 3).requires_grad_()
    (twice,) = torch.autograd.grad(after(reverse_gradient(reverse_gradient(x, 2.0), 0.5)), x)
    (straight,) = torch.autograd.grad(after(x), x)
    torch.testing.assert_close(twice, straight)


def test_the_second_derivative_is_reversed_too() -> None:
    x = sample(2, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(reverse_gradient(x, 0.5).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), x)
    # the inner slope 3 x^2, times -1/2; its slope 6 x passes the reversal once more
    torch.testing.assert_close(gradient, -1.5 * x.square())
    torch.testing.assert_close(second, -0.5 * -0.5 * 6 * x)


def test_a_tensor_counts_with_the_value_it_had_and_gets_no_gradient() -> None:
    x, coefficient = sample(4, 3).requires_grad_(), torch.tensor(0.5, requires_grad=True)
    loss = after(reverse_gradient(x, coefficient))
    with torch.no_grad():
        coefficient.fill_(7.0)
    loss.backward()
    assert coefficient.grad is None and x.grad is not None
    torch.testing.assert_close(x.grad, -0.5 * torch.autograd.grad(after(x), x)[0])


@pytest.mark.parametrize("coefficient", [0.3, torch.tensor(0.3), torch.tensor(0.3, dtype=torch.float64)])
def test_the_type_is_kept_both_ways(coefficient: float | Tensor) -> None:
    x = sample(4, 3).to(torch.bfloat16).requires_grad_()
    reversed_ = reverse_gradient(x, coefficient)
    reversed_.float().sum().backward()
    assert reversed_.dtype == torch.bfloat16 and x.grad is not None and x.grad.dtype == torch.bfloat16


def test_the_coefficient_rises_from_zero_as_published() -> None:
    assert reversal_coefficient(0.0) == 0.0 and reversal_coefficient(1.0) < 1
    for progress in (0.0, 0.1, 0.5, 1.0):
        for gamma in (1.0, 10.0):
            wanted = 2 / (1 + math.exp(-gamma * progress)) - 1
            assert reversal_coefficient(progress, gamma) == pytest.approx(wanted, rel=1e-12)
    rising = [reversal_coefficient(step / 20) for step in range(21)]
    assert rising == sorted(rising) and len(set(rising)) == 21


@pytest.mark.parametrize("progress", [-0.01, 1.01, math.nan])
def test_progress_outside_a_share_is_refused(progress: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1; got"):
        reversal_coefficient(progress)


def test_a_coefficient_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no dimensions; got \[4\]"):
        reverse_gradient(sample(4, 3), torch.ones(4))
