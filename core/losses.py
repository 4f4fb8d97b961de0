"""What logits cost against labels, by the kind of target."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.choice_model import ABSENT_LOGIT
from medplug.core.data.targets import Target
from medplug.core.model import Loss


class CoxLoss(nn.Module):
    """Cox's negative log partial likelihood (Cox, 1972), ties by Breslow (1974).

    The rows that are given are those at risk: they must be a whole batch, as a
    part of one would know too few of them. A weight multiplies a row's own
    loss, and not its share in what others are compared with.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]``, 0 where no event came, from log hazards ``[batch, 1]``, in float32 or better.

        `labels` ``[batch, 2]`` are times and zeros or ones (event).
        """
        logits, (times, events) = logits.float()[:, 0], labels.unbind(1)
        later = (-times).sort(stable=True)
        sums = logits[later.indices].logcumsumexp(0)
        last = torch.searchsorted(later.values, -times, right=True) - 1  # all of the same time are at risk
        return (sums[last] - logits) * events


class TreatmentLoss(nn.Module):
    """What the outcome of the arm that was given costs, and the arm itself: TARNet's loss, and a propensity head's.

    An outcome's head an arm over one representation (Shalit, Johansson and Sontag, 2017), trained
    beside a head of the propensity that reads it too (Shi, Blei and Veitch, 2019), without targeted regularisation.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.binary, self.centre, self.scale = target.binary_outcome, target.centre, target.scale

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]`` from logits ``[batch, 2 * arms]`` and labels ``[batch, 2]``, in float32 or better.

        Cross-entropy of a binary outcome, the standardised number's squared error; plus the arm's cross-entropy.
        """
        outcomes, arms = logits.float().chunk(2, dim=1)
        own = labels[:, 0].long()
        predicted = outcomes.gather(1, own[:, None])[:, 0]
        chosen = functional.cross_entropy(arms, own, reduction="none")
        if self.binary:
            truth = labels[:, 1].float()
            return functional.binary_cross_entropy_with_logits(predicted, truth, reduction="none") + chosen
        wanted = (labels[:, 1] - self.centre) / self.scale
        return (predicted - wanted.float()).square() + chosen


class ChoiceLoss(nn.Module):
    """Cross-entropy over the options that a question has; a smoothed label is spread over these alone."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]``, in float32 or better.

        From logits ``[batch, options]``, `ABSENT_LOGIT` where there is none, and the right options ``[batch]``.
        """
        chances = logits.float().log_softmax(1)
        own = chances.gather(1, labels[:, None])[:, 0]
        if not self.label_smoothing:
            return -own
        there = logits > 0.5 * ABSENT_LOGIT
        spread = (chances * there).sum(1) / there.sum(1)
        return -(1 - self.label_smoothing) * own - self.label_smoothing * spread


def make_loss(target: Target, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> nn.Module:
    """What gives one loss a row for a target of rows (of masks it is another, see `medplug.core.segmentation`)."""
    if target.kind == "treatment":
        return TreatmentLoss(target)
    if target.kind == "choice":
        return ChoiceLoss(label_smoothing)
    return CoxLoss() if target.kind == "survival" else Loss(target, class_weights, label_smoothing)
