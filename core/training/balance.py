"""How the loss of the main target and those of what is learned along are added up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medplug.core.config import TrainConfig
from medplug.core.data.also import Also
from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.losses import make_loss
from medplug.core.training.rows import Part
from medplug.core.training.weights import balanced_weights
from medplug.core.transfer.multitask import FixedWeights, UncertaintyWeights

RATE = 0.01
"""The learning rate of learned weights: at a backbone's they would hardly leave 1 in so few steps of AdamW."""


class Balance(nn.Module):
    """The weighted sum of the targets' losses, each the mean over the rows of the batch whose label is known.

    `losses` give one loss a row of each target that is learned along, in the model's
    order. The main target has the weight 1 and these `weight`; None: the weights are
    learned (Kendall, Gal and Cipolla, 2018), for which a squared error is halved.
    """

    def __init__(
        self, main: Target, targets: Sequence[Target], losses: Sequence[nn.Module], weight: float | None
    ) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)
        self.weights: FixedWeights | UncertaintyWeights
        if weight is None:
            self.weights = UncertaintyWeights(1 + len(targets))
        else:
            self.weights = FixedWeights([1.0, *[weight] * len(targets)])
        learned = weight is None
        self.factors = [0.5 if learned and each.kind == "regression" else 1.0 for each in (main, *targets)]

    def forward(self, main: Tensor, logits: Sequence[Tensor], part: Part) -> Tensor:
        """The part's contribution ``[]`` to the batch's loss, from the main one's and logits ``[rows, outputs]``."""
        found = [main]
        for loss, own, other in zip(self.losses, logits, part.others, strict=True):
            rows: Tensor = loss(own[: len(other.labels)], other.labels)
            weighed = rows if part.weights is None else rows * part.weights
            found.append(weighed.where(other.known, 0).sum() / other.known.sum().clamp(min=1) * other.share)
        scaled = [each * factor for each, factor in zip(found, self.factors, strict=True)]
        if isinstance(self.weights, FixedWeights):
            total: Tensor = self.weights(scaled)
            return total
        shares = torch.stack([main.new_full((), part.share), *(other.share.to(main.dtype) for other in part.others)])
        total = self.weights(scaled, shares)
        return total

    def rates(self, prefix: str, learning_rate: float) -> dict[str, float]:
        """What the learning rate of learned weights is multiplied by, under their names below `prefix`."""
        return {prefix + name: RATE / learning_rate for name, _ in self.named_parameters()}

    def learned(self, names: Sequence[str]) -> dict[str, float]:
        """What learned weights came to, by these names of the targets, the main one first; nothing where none are."""
        if isinstance(self.weights, FixedWeights):
            return {}
        weights = (-self.weights.log_variances.detach()).exp().tolist()
        return {name: weight * factor for name, weight, factor in zip(names, weights, self.factors, strict=True)}


def balance_of(dataset: Dataset, config: TrainConfig) -> Balance | None:
    """What a run's keys say; None where nothing is learned along."""
    if not dataset.also:
        return None
    losses = [_loss(each, config) for each in dataset.also.values()]
    weight = None if config.balance == "uncertainty" else config.also_weight
    return Balance(dataset.target, [each.target for each in dataset.also.values()], losses, weight)


def _loss(also: Also, config: TrainConfig) -> nn.Module:
    """Its classes are weighed and its labels smoothed as the main target's are."""
    weights = None
    if config.class_weights == "balanced" and also.target.has_classes:
        balanced = balanced_weights(also.labels["train"][also.known["train"]], also.target)
        weights = torch.tensor(balanced, dtype=torch.float32)
    return make_loss(also.target, weights, config.label_smoothing)
