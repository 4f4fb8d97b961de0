"""The model: a backbone and a head, and what its logits cost against labels."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from medplug.core.adapter import LinearHead
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features


class Outputs(NamedTuple):
    """What a model makes of a batch: the `features` ``[batch, width]`` that its head reads, and `logits`."""

    features: Tensor
    logits: Tensor


class Model(nn.Module):
    """A backbone, a neck between its pooled features and the head (none, unless an adapter sets one), and the head.

    The head is linear, with `target.outputs` logits.
    """

    def __init__(self, backbone: Backbone, target: Target) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck: nn.Module = nn.Identity()
        self.keeps_statistics = False
        self.head = nn.Linear(backbone.width, target.outputs)

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits ``[batch, outputs]``."""
        return self.outputs(inputs).logits

    def outputs(self, inputs: Inputs) -> Outputs:
        """Features and logits; neck and head compute in float32, whatever the backbone's arithmetic."""
        features: Features = self.backbone(inputs)
        with torch.autocast(features.pooled.device.type, enabled=False):
            joined = self.neck(features.pooled.float())
            return Outputs(joined, self.head(joined))

    def train(self, mode: bool = True) -> Self:
        """Set the mode; batch norms whose weights are frozen keep the statistics that go with these.

        So do all of the backbone where `keeps_statistics` is set.
        """
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, _BatchNorm):
                learns = any(each.requires_grad for each in module.parameters()) and not self.keeps_statistics
                module.train(mode and learns)
        return self

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Put `neck` before a new head, which reads its `width` features."""
        device = self.head.weight.device
        self.neck = neck.to(device)
        self.head = nn.Linear(width, self.head.out_features).to(device)

    @property
    def feature_width(self) -> int:
        """The width of the features that `outputs` gives."""
        return self.head.in_features

    def set_head(self, head: LinearHead) -> None:
        """Take over a fitted head."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight))
            self.head.bias.copy_(torch.from_numpy(head.bias))


class Loss(nn.Module):
    """Cross-entropy for classes, binary cross-entropy for binary and multilabel targets, squared error for numbers.

    A number's error is of the standardised label, so that no unit changes the training.

    `class_weights` ``[classes]`` multiply each class's rows (for multilabel: the
    positive part of each label).
    """

    class_weights: Tensor | None

    def __init__(self, target: Target, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.kind, self.centre, self.scale = target.kind, target.centre, target.scale
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a row ``[batch]``, from logits ``[batch, outputs]``, in float32 or better.

        `labels` are encoded ones, or shares ``[batch, outputs]`` where rows were blended.
        """
        logits = logits.float()
        if self.kind == "multiclass":
            return functional.cross_entropy(
                logits, labels, self.class_weights, reduction="none", label_smoothing=self.label_smoothing
            )
        if self.kind == "regression":
            wanted = (labels.reshape(len(logits)) - self.centre) / self.scale
            return (logits[:, 0] - wanted.float()).square()
        truth = labels.float().reshape(logits.shape)
        smooth = truth * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        rows = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        return (rows * self._weights(truth)).mean(dim=1)

    def _weights(self, truth: Tensor) -> Tensor:
        if self.class_weights is None:
            return torch.ones_like(truth)
        absent = self.class_weights[0] if self.kind == "binary" else 1.0
        present = self.class_weights[1] if self.kind == "binary" else self.class_weights
        return truth * present + (1 - truth) * absent


def class_probabilities(logits: Tensor, target: Target) -> Tensor:
    """Probabilities ``[rows, classes]``, two columns for binary, from logits ``[rows, outputs]``; differentiable.

    ValueError for a target without classes, which has none.
    """
    if not target.has_classes:
        raise ValueError(f"class probabilities are for targets with classes; {target.classes[0]} has none")
    logits = logits.float()
    if target.kind == "multiclass":
        return logits.softmax(1)
    positive = logits.sigmoid()
    return torch.cat([1 - positive, positive], 1) if target.kind == "binary" else positive
