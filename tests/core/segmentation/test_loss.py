from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from medplug.core.segmentation.loss import MaskLoss

Array = NDArray[np.float64]


def reference(logits: Array, truth: NDArray[np.int64], weights: list[float] | None = None) -> Array:
    """Pixel by pixel, from the definition."""
    rows, classes, height, width = logits.shape
    weights = weights or [1.0] * classes
    entropy, weight = np.zeros(rows), np.zeros(rows)
    agreement, extent = np.zeros(classes), np.zeros(classes)
    for row, y, x in np.ndindex(rows, height, width):
        values = logits[row, :, y, x]
        probabilities = np.exp(values) / np.exp(values).sum()
        true = truth[row, y, x]
        entropy[row] -= weights[true] * np.log(probabilities[true])
        weight[row] += weights[true]
        agreement[true] += probabilities[true]
        extent += probabilities**2
        extent[true] += 1
    dice = (2 * agreement[1:] + 1) / (extent[1:] + 1)
    return entropy / weight + 1 - dice.mean()


def sample(classes: int = 3, rows: int = 2) -> tuple[Array, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, classes, 4, 5)), rng.integers(0, classes, size=(rows, 4, 5))


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 3.0]], ids=["plain", "weighted"])
def test_the_losses_and_their_gradient_are_those_of_the_definition(weights: list[float] | None) -> None:
    values, truth = sample()
    logits = torch.from_numpy(values).requires_grad_()
    losses = MaskLoss(3, weights)(logits, torch.from_numpy(truth))
    np.testing.assert_allclose(losses.detach().numpy(), reference(values, truth, weights), rtol=1e-12)

    share = np.array([1.0, 0.3])  # each row by itself, as a weighted mean of them has it
    (losses * torch.from_numpy(share)).sum().backward()
    assert logits.grad is not None
    expected = np.empty_like(values)
    for place in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[place] = 1e-6
        ahead, behind = (reference(values + sign * step, truth, weights) @ share for sign in (1, -1))
        expected[place] = (ahead - behind) / 2e-6
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_two_classes_are_two_logits_of_which_only_the_difference_counts() -> None:
    values, truth = sample(classes=2)
    logits, loss = torch.from_numpy(values), MaskLoss(2)
    shift = torch.randn(2, 1, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(loss(logits, torch.from_numpy(truth)), loss(logits + shift, torch.from_numpy(truth)))


def test_a_perfect_prediction_costs_nothing() -> None:
    _, truth = sample()
    logits = 40.0 * torch.nn.functional.one_hot(torch.from_numpy(truth), 3).permute(0, 3, 1, 2)
    assert MaskLoss(3)(logits, torch.from_numpy(truth)).abs().max() < 1e-6


def test_the_order_of_rows_does_not_matter_and_every_row_bears_the_same_dice() -> None:
    values, truth = sample(rows=3)
    logits, masks = torch.from_numpy(values), torch.from_numpy(truth)
    loss, order = MaskLoss(3), torch.tensor([2, 0, 1])
    torch.testing.assert_close(loss(logits, masks)[order], loss(logits[order], masks[order]))
    entropy = torch.nn.functional.cross_entropy(logits, masks, reduction="none").mean((1, 2))
    dice = loss(logits, masks) - entropy
    torch.testing.assert_close(dice, dice[:1].expand(3))


def foreground_gradient(logits: Tensor) -> Tensor:
    """Of Dice alone, where the batch has no lesion: less the cross-entropy's."""
    logits = logits.clone().requires_grad_()
    masks = torch.zeros(logits.shape[0], *logits.shape[2:], dtype=torch.long)
    dice = MaskLoss(2)(logits, masks) - torch.nn.functional.cross_entropy(logits, masks)
    (gradient,) = torch.autograd.grad(dice.mean(), logits)
    return gradient[:, 1]


@pytest.mark.parametrize("level", [-8.0, -2.0, 0.0, 8.0])
def test_where_a_batch_lacks_a_class_dice_only_takes_its_pixels_away_and_stays_bounded(level: float) -> None:
    logits = torch.zeros(2, 2, 64, 64, dtype=torch.float64)
    logits[:, 1] = level
    gradient = foreground_gradient(logits)
    assert (gradient > 0).all()
    assert gradient.sum() <= 0.5


def test_a_class_that_the_batch_lacks_leaves_no_loss_once_it_is_not_predicted() -> None:
    logits = torch.zeros(2, 3, 8, 8)
    logits[:, 2] = -40.0
    logits[:, 1, :, :4] = 40.0
    logits[:, 1, :, 4:] = -40.0
    truth = (logits[:, 1] > 0).long()
    assert MaskLoss(3)(logits, truth).max() < 1e-6


def test_class_weights_count_only_within_a_row() -> None:
    values, truth = sample()
    logits, masks = torch.from_numpy(values), torch.from_numpy(truth)
    torch.testing.assert_close(MaskLoss(3, [2.0, 2.0, 2.0])(logits, masks), MaskLoss(3)(logits, masks))
    masks[1] = 1  # one class alone: its weight cancels
    torch.testing.assert_close(MaskLoss(3, [1.0, 9.0, 1.0])(logits, masks)[1], MaskLoss(3)(logits, masks)[1])


def test_half_precision_logits_and_byte_masks_are_computed_in_float32() -> None:
    values, truth = sample()
    logits = torch.from_numpy(values).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = MaskLoss(3, [1.0, 2.0, 3.0])(logits, torch.from_numpy(truth).to(torch.uint8))
    assert losses.dtype == torch.float32
    np.testing.assert_allclose(losses, reference(logits.double().numpy(), truth, [1.0, 2.0, 3.0]), rtol=1e-5)


@pytest.mark.parametrize(
    ("logits", "truth"),
    [((2, 2, 4, 5), (2, 4, 5)), ((2, 3, 4, 5), (2, 5, 4)), ((2, 3, 4, 5), (4, 5)), ((3, 4, 5), (4, 5))],
)
def test_logits_and_masks_that_do_not_fit_are_refused(logits: tuple[int, ...], truth: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[batch, 3, height, width\] .* got shapes \["):
        MaskLoss(3)(torch.zeros(logits), torch.zeros(truth, dtype=torch.long))


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 0.0, 1.0], [1.0, -1.0, 1.0], [1.0, float("nan"), 1.0]])
def test_class_weights_must_be_one_positive_number_a_class(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="3 positive numbers, one a class; got"):
        MaskLoss(3, weights)


def test_a_loss_over_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="background among them; got 1"):
        MaskLoss(1)
