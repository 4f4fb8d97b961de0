"""What a segmentation model is trained on: soft Dice and cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, nll_loss

SMOOTHING = 1.0
"""Pixels added to Dice's numerator and denominator."""


class MaskLoss(nn.Module):
    """One loss a row, ``[batch]``: its own cross-entropy plus the batch's soft Dice loss.

    `classes` counts the background, which is class 0; two classes are two
    logits. The cross-entropy is a row's mean over its pixels, weighted by
    `class_weights` ``[classes]`` where given. The Dice loss is
    ``1 - mean over foreground classes of (2 sum p g + 1) / (sum p^2 + sum g^2 + 1)``
    with sums over all pixels of the batch: a row alone may hold a few lesion
    pixels or none, so every row gets the same term, and the rows' mean is the
    usual Dice + cross-entropy. A class that the batch lacks gives
    ``1 / (sum p^2 + 1)``: its gradient only takes false positives away, and is
    bounded however many they are.

    The squares are of Milletari, Navab and Ahmadi, V-Net (2016).
    """

    class_weights: Tensor | None

    def __init__(self, classes: int, class_weights: Sequence[float] | Tensor | None = None) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"classes must be at least 2, the background among them; got {classes}")
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        if weights is not None and (weights.shape != (classes,) or not (weights > 0).all()):
            raise ValueError(f"class_weights must be {classes} positive numbers, one a class; got {weights.tolist()}")
        self.classes = classes
        self.register_buffer("class_weights", weights)

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        """The losses for `logits` ``[batch, classes, height, width]`` and `truth` ``[batch, height, width]``.

        `truth` holds class indices of any integer type. Computes in float32 or
        better; ValueError on other shapes.
        """
        self._check(logits, truth)
        logs = log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
        return self._cross_entropy(logs, truth.long()) + self._dice_loss(logs.exp(), truth)

    def _check(self, logits: Tensor, truth: Tensor) -> None:
        if logits.ndim != 4 or logits.shape[1] != self.classes or truth.shape != logits.shape[:1] + logits.shape[2:]:
            wanted = f"logits [batch, {self.classes}, height, width] and truth [batch, height, width] of one size"
            raise ValueError(f"a mask loss takes {wanted}; got shapes {list(logits.shape)} and {list(truth.shape)}")

    def _cross_entropy(self, logs: Tensor, truth: Tensor) -> Tensor:
        if self.class_weights is None:
            return nll_loss(logs, truth, reduction="none").mean((1, 2))
        weights = self.class_weights.to(logs.dtype)
        return nll_loss(logs, truth, weights, reduction="none").sum((1, 2)) / weights[truth].sum((1, 2))

    def _dice_loss(self, probabilities: Tensor, truth: Tensor) -> Tensor:
        foreground = torch.arange(1, self.classes, device=truth.device)
        here = truth[:, None] == foreground[:, None, None]
        likely = probabilities[:, 1:]
        agreement = (likely * here).sum((0, 2, 3))
        extent = likely.square().sum((0, 2, 3)) + here.sum((0, 2, 3))
        return 1 - ((2 * agreement + SMOOTHING) / (extent + SMOOTHING)).mean()
