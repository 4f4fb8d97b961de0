"""The losses on predictions, held to float64 references written from their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from medplug.core.transfer.entropy import (
    certainty,
    class_confusion,
    information_maximisation,
    prediction_entropy,
    two_sided,
)

Loss = Callable[[Tensor], Tensor]
SIZES = [(1, 2), (7, 2), (3, 5), (16, 4)]


def sample(rows: int, classes: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(rows * classes)
    return (torch.randn(rows, classes, generator=generator, dtype=torch.float64) * scale).requires_grad_()


def entropy_of(probs: Tensor) -> Tensor:
    return -sum(p * p.log() for p in probs)


def entropy_reference(logits: Tensor) -> Tensor:
    return sum(entropy_of(row) for row in logits.softmax(1)) / len(logits)


def maximisation_reference(logits: Tensor) -> Tensor:
    return entropy_reference(logits) - entropy_of(logits.softmax(1).mean(0))


def confusion_weights(logits: Tensor, temperature: float = 2.5) -> Tensor:
    entropies = torch.stack([entropy_of(row) for row in (logits / temperature).softmax(1)])
    weights = 1 + torch.exp(-entropies)
    return (len(logits) * weights / weights.sum()).detach()


def confusion_reference(logits: Tensor, temperature: float = 2.5, weights: Tensor | None = None) -> Tensor:
    probs = (logits / temperature).softmax(1)
    weights = confusion_weights(logits, temperature) if weights is None else weights
    confusion = probs.T @ torch.diag(weights) @ probs
    confusion = confusion / confusion.sum(1, keepdim=True)
    return (confusion.sum() - confusion.trace()) / probs.shape[1]


LOSSES = [
    (prediction_entropy, entropy_reference),
    (information_maximisation, maximisation_reference),
    (class_confusion, confusion_reference),
]


@pytest.mark.parametrize(("loss", "reference"), LOSSES)
@pytest.mark.parametrize(("rows", "classes"), SIZES)
def test_value_and_gradient_are_the_references(loss: Loss, reference: Loss, rows: int, classes: int) -> None:
    logits = sample(rows, classes)
    ours, wanted = loss(logits), reference(logits)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(wanted, logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_temperature_divides_the_logits(temperature: float) -> None:
    logits = sample(9, 3)
    torch.testing.assert_close(class_confusion(logits, temperature), confusion_reference(logits, temperature))
    torch.testing.assert_close(class_confusion(logits, temperature), class_confusion(logits / temperature, 1.0))


@pytest.mark.parametrize("loss", [prediction_entropy, information_maximisation])
def test_finite_differences_agree_with_the_gradient(loss: Loss) -> None:
    assert gradcheck(loss, (sample(5, 3),))


def test_class_confusions_gradient_is_the_numeric_one_with_its_weights_held_still() -> None:
    logits = sample(5, 3)
    weights = confusion_weights(logits)
    assert gradcheck(lambda given: confusion_reference(given, weights=weights), (logits,))
    wanted = torch.autograd.grad(confusion_reference(logits, weights=weights), logits)
    torch.testing.assert_close(torch.autograd.grad(class_confusion(logits), logits), wanted)


@pytest.mark.parametrize(("loss", "reference"), LOSSES)
def test_half_precision_logits_are_computed_in_float32_also_under_autocast(loss: Loss, reference: Loss) -> None:
    logits = sample(16, 4).detach().to(torch.bfloat16).requires_grad_()
    wide = logits.detach().double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits)
    wanted = reference(wide)
    assert value.dtype == torch.float32 and value.item() == pytest.approx(wanted.item(), rel=1e-5)
    (got,), (right,) = torch.autograd.grad(value, logits), torch.autograd.grad(wanted, wide)
    assert got.dtype == torch.bfloat16 and (got - right).norm() < 0.01 * right.norm()


@pytest.mark.parametrize("loss", [prediction_entropy, information_maximisation, class_confusion])
def test_far_logits_have_finite_values_and_gradients(loss: Loss) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [0.0, 0.0, -1e4]]).requires_grad_()
    value = loss(logits)
    value.backward()
    assert value.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", [prediction_entropy, information_maximisation, class_confusion])
def test_neither_the_order_nor_a_shift_of_rows_or_classes_matters(loss: Loss) -> None:
    logits = sample(6, 4)
    for other in (logits.flip(0), logits.flip(1), logits + sample(6, 1)):
        torch.testing.assert_close(loss(other), loss(logits))


def peaked(*predicted: int, classes: int = 3) -> Tensor:
    return 50.0 * torch.nn.functional.one_hot(torch.tensor(predicted), classes).double()


BALANCED, COLLAPSED, UNIFORM = peaked(0, 1, 2, 2, 1, 0), peaked(1, 1, 1, 1, 1, 1), torch.zeros(6, 3).double()


@pytest.mark.parametrize(
    ("loss", "balanced", "collapsed", "uniform"),
    [
        (prediction_entropy, 0.0, 0.0, math.log(3)),
        (information_maximisation, -math.log(3), 0.0, 0.0),
        (class_confusion, 0.0, 2 / 3, 2 / 3),
    ],
)
def test_confident_balanced_predictions_are_the_least(
    loss: Loss, balanced: float, collapsed: float, uniform: float
) -> None:
    values = [loss(logits).item() for logits in (BALANCED, COLLAPSED, UNIFORM)]
    assert values == pytest.approx([balanced, collapsed, uniform], abs=1e-6)
    assert all(loss(sample(6, 3, scale)) > balanced + 1e-3 for scale in (0.1, 1.0, 3.0))


@pytest.mark.parametrize("loss", [information_maximisation, class_confusion])
def test_descent_from_nearly_uniform_predictions_ends_confident_and_balanced(loss: Loss) -> None:
    logits = sample(9, 3, 0.5)
    optimiser = torch.optim.Adam([logits], lr=0.2)
    for _ in range(200):
        optimiser.zero_grad()
        loss(logits).backward()
        optimiser.step()
    probs = logits.softmax(1)
    assert (probs.max(1).values > 0.9).all() and probs.argmax(1).unique().numel() == 3


def test_class_confusion_hears_certain_rows_more() -> None:
    weights = certainty(torch.tensor([[1.0, 0.0], [0.5, 0.5]], requires_grad=True))
    torch.testing.assert_close(weights, torch.tensor([2.0, 1.5]))
    assert not weights.requires_grad


def test_one_logit_becomes_two_with_the_same_probability() -> None:
    logits = sample(5, 1)
    both = two_sided(logits)
    torch.testing.assert_close(both.softmax(1), torch.cat([1 - logits.sigmoid(), logits.sigmoid()], 1))
    assert gradcheck(lambda given: prediction_entropy(two_sided(given)), (logits,))
    wider = sample(5, 3)
    assert two_sided(wider) is wider
    assert two_sided(logits.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("loss", [prediction_entropy, information_maximisation, class_confusion])
def test_fewer_than_two_classes_are_refused_with_the_way_out(loss: Loss) -> None:
    with pytest.raises(ValueError, match=r"two classes; got shape \[4, 1\].*two_sided"):
        loss(torch.ones(4, 1))
    for shape in ((0, 3), (4,), (4, 0), (2, 3, 4), ()):
        with pytest.raises(ValueError, match="logits must be"):
            loss(torch.ones(shape))


def test_what_is_not_rows_of_logits_or_no_temperature_is_refused() -> None:
    for shape in ((4,), (4, 0), (2, 3, 4)):
        with pytest.raises(ValueError, match=r"must be \[rows, classes\]; got shape"):
            two_sided(torch.ones(shape))
    for temperature in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            class_confusion(torch.ones(4, 2), temperature)
