"""What logits cost against labels, by the kind of target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def make_loss(target: Target, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> nn.Module:
    """What gives one loss a row for a target of rows (of masks it is another, see `medplug.core.segmentation`)."""
    return CoxLoss() if target.kind == "survival" else Loss(target, class_weights, label_smoothing)
