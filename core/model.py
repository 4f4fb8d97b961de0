"""The model: a backbone and a head, and what its logits cost against labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.adapter import LinearHead
from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features


class Outputs(NamedTuple):
    """What a model makes of a batch: the `features` ``[batch, width]`` that its heads read, and `logits`.

    `others` holds the logits of each target that is learned along, in the model's order.
    """

    features: Tensor
    logits: Tensor
    others: tuple[Tensor, ...] = ()


class Model(nn.Module):
    """A backbone, a neck between its pooled features and the head (none, unless an adapter sets one), and the head.

    The head is linear, with `target.outputs` logits. So are the `others`, one for each
    target that is learned `also`, in that order; they read the same features.
    """

    def __init__(self, backbone: Backbone, target: Target, also: Mapping[str, Target] | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck: nn.Module = nn.Identity()
        self.head = nn.Linear(backbone.width, target.outputs)
        # by number: a column's name may be one that torch cannot give a module
        self.others = nn.ModuleList(nn.Linear(backbone.width, each.outputs) for each in (also or {}).values())
        if backbone.decides:
            self._hand_on()

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits ``[batch, outputs]``."""
        return self.outputs(inputs).logits

    def outputs(self, inputs: Inputs) -> Outputs:
        """Features and logits."""
        features: Features = self.backbone(inputs)
        return self.joined(features.pooled)

    def joined(self, pooled: Tensor) -> Outputs:
        """What neck and head make of pooled features ``[batch, width]``, in float32 whatever these came in."""
        with torch.autocast(pooled.device.type, enabled=False):
            joined = self.neck(pooled.float())
            return Outputs(joined, self.head(joined), tuple(head(joined) for head in self.others))

    def every(self, inputs: Inputs) -> Tensor:
        """The logits of the head and then of the others, side by side ``[batch, all outputs]``."""
        outputs = self.outputs(inputs)
        return torch.cat([outputs.logits, *outputs.others], 1)

    def ready(self) -> Self:
        """The model in eval mode; where it is already, its many modules are not walked for each prediction."""
        return self.eval() if self.training else self

    def apart(self, found: NDArray[Any]) -> list[NDArray[Any]]:
        """What `every` gave, by head: first the main one's logits, then each other's."""
        return np.split(found, np.cumsum([head.out_features for head in (self.head, *self._others)])[:-1], axis=1)

    @property
    def columns(self) -> int:
        """How many columns `every` gives."""
        return sum(head.out_features for head in (self.head, *self._others))

    @property
    def _others(self) -> list[nn.Linear]:
        return list(self.others)  # type: ignore[arg-type]

    def _hand_on(self) -> None:
        """Let the head give what it is given: the backbone has decided."""
        with torch.no_grad():
            nn.init.eye_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        self.head.requires_grad_(False)

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Put `neck` before new heads, which read its `width` features."""
        device = self.head.weight.device
        self.neck = neck.to(device)
        self.head = nn.Linear(width, self.head.out_features).to(device)
        self.others = nn.ModuleList(nn.Linear(width, other.out_features).to(device) for other in self._others)

    @property
    def feature_width(self) -> int:
        """The width of the features that `outputs` gives."""
        return self.head.in_features

    def set_head(self, head: LinearHead) -> None:
        """Take over a fitted head."""
        _take_over(self.head, head)

    def set_others(self, heads: Sequence[LinearHead]) -> None:
        """Take over the fitted heads of what is learned along."""
        for own, head in zip(self._others, heads, strict=True):
            _take_over(own, head)


def _take_over(own: nn.Linear, head: LinearHead) -> None:
    with torch.no_grad():
        own.weight.copy_(torch.from_numpy(head.weight))
        own.bias.copy_(torch.from_numpy(head.bias))


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
