"""The pull towards the starting weights, held to autograd in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medplug.core.transfer.anchor import Anchor

SHAPES = [(3, 4), (5,), (2, 3, 2), ()]


def weights(seed: int, dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in SHAPES]


def moved(parameters: list[nn.Parameter], seed: int = 9) -> None:
    with torch.no_grad():
        for parameter, step in zip(parameters, weights(seed), strict=True):
            parameter.add_(step.to(parameter.dtype))


def reference(
    old: list[nn.Parameter], start: list[Tensor], new: list[nn.Parameter], alpha: float, beta: float
) -> Tensor:
    away = sum(((w.double() - s.double()) ** 2).sum() for w, s in zip(old, start, strict=True))
    return alpha / 2 * away + beta / 2 * sum((w.double() ** 2).sum() for w in new)


def made(dtype: torch.dtype = torch.float64) -> tuple[list[nn.Parameter], list[Tensor], list[nn.Parameter], Anchor]:
    old, new = weights(1, dtype), weights(2, dtype)
    start = [w.detach().clone() for w in old]
    anchor = Anchor(old, new, alpha=0.3, beta=0.07)
    moved(old)
    moved(new)
    return old, start, new, anchor


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_value_and_its_gradient_are_the_references(dtype: torch.dtype) -> None:
    old, start, new, anchor = made(dtype)
    wanted = reference(old, start, new, 0.3, 0.07)
    ours = anchor()
    assert ours.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(ours.double(), wanted, rtol=2e-2 if dtype == torch.bfloat16 else 1e-6, atol=0)
    right = torch.autograd.grad(wanted * 3, [*old, *new])
    for got, exact in zip(torch.autograd.grad(ours * 3, [*old, *new]), right, strict=True):
        torch.testing.assert_close(got, exact)


def test_the_gradient_holds_against_finite_differences_and_has_none_of_its_own() -> None:
    old, _, new, anchor = made()
    assert torch.autograd.gradcheck(lambda *_: anchor(), (*old, *new))
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(anchor(), old, create_graph=True)


def test_the_value_keeps_its_digits_over_millions_of_weights_and_any_order_in_memory() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = nn.Parameter(torch.randn(2_000_003, generator=generator))
    image = nn.Parameter(torch.randn(8, 6, 3, 3, generator=generator).to(memory_format=torch.channels_last))
    value = Anchor([], [flat, image], alpha=0.0, beta=1.0)()
    wanted = sum((w.double() ** 2).sum() for w in (flat, image)) / 2
    torch.testing.assert_close(value.double(), wanted, rtol=2e-6, atol=0)


def test_nothing_pulls_on_the_pretrained_weights_where_they_start() -> None:
    old = weights(1)
    anchor = Anchor(old, [], alpha=2.0, beta=1.0)
    anchor().backward()
    assert anchor() == 0
    assert all(w.grad is not None and not w.grad.any() for w in old)


def test_fresh_weights_are_pulled_to_zero_wherever_they_start() -> None:
    new = weights(2)
    value = Anchor([], new, alpha=1.0, beta=2.0)()
    torch.testing.assert_close(value, sum((w**2).sum() for w in new))


def test_frozen_weights_get_no_gradient_also_when_frozen_later() -> None:
    old, start, new, anchor = made()
    old[0].requires_grad_(False)
    new[2].requires_grad_(False)
    torch.testing.assert_close(anchor(), reference(old, start, new, 0.3, 0.07))
    anchor().backward()
    assert [w.grad is None for w in (*old, *new)] == [True, False, False, False, False, False, True, False]
    torch.testing.assert_close(old[1].grad, 0.3 * (old[1].detach() - start[1]))
    for weight in (*old, *new):
        weight.requires_grad_(False)
    assert not anchor().requires_grad


def test_the_start_is_kept_while_training_moves_the_weights_back() -> None:
    old, start, _, anchor = made()
    before = anchor().item()
    optimiser = torch.optim.SGD(old, lr=1.0)
    for _ in range(60):
        optimiser.zero_grad()
        anchor().backward()
        optimiser.step()
    assert anchor().item() < before
    for weight, at in zip(old, start, strict=True):
        torch.testing.assert_close(weight.detach(), at)


def test_weights_changed_between_value_and_gradient_are_an_error_not_a_wrong_gradient() -> None:
    old, _, _, anchor = made()
    value = anchor()
    moved(old)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_a_call_keeps_nothing_of_the_size_of_the_weights_for_its_gradient() -> None:
    old, _, _, anchor = made()
    kept: list[Tensor] = []

    def keep(saved: Tensor) -> Tensor:
        kept.append(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        anchor()
    own = {w.data_ptr() for w in (*old, *anchor.fresh)}
    assert own <= {saved.data_ptr() for saved in kept}
    assert all(saved.data_ptr() in own or saved.numel() == 1 for saved in kept)


@pytest.mark.parametrize(("alpha", "beta", "name"), [(-0.1, 0.0, "alpha"), (0.0, float("inf"), "beta")])
def test_a_strength_that_is_none_is_refused(alpha: float, beta: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite strength"):
        Anchor(weights(1), [], alpha=alpha, beta=beta)


def test_an_anchor_on_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="got none of either"):
        Anchor([], [], alpha=1.0, beta=1.0)
