"""The model of spans: a backbone over windows, and of each token how likely an answer begins or ends there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.features import Features
from medplug.core.model import Model, Outputs

ABSENT = -1e4
"""The logit of a token that is none of the context: a probability of 0, and no infinity to compute with."""
START, END = 0, 1
"""The rows of a window's logits."""
NULL = 0
"""The column that stands for a window without the answer; token i of the window has column i + 1."""


class SpanHead(nn.Module):
    """Two logits for each token, of an answer's start and end, and two for a window without it.

    As Devlin et al. (2019, sections 4.2 and 4.3) have it; the null logits are of the
    pooled features, so that backbones without a first token of their own serve as well.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens = nn.Linear(width, 2)
        self.null = nn.Linear(width, 2)

    def forward(self, pooled: Tensor, tokens: Tensor, context: Tensor) -> Tensor:
        """Logits ``[batch, 2, 1 + tokens]`` of features: pooled ``[batch, width]``, tokens ``[batch, tokens, width]``.

        `context` ``[batch, tokens]`` is True for a token that an answer may have.
        """
        of_tokens = self.tokens(tokens).masked_fill(~context.unsqueeze(-1), ABSENT)
        return torch.cat([self.null(pooled).unsqueeze(1), of_tokens], 1).transpose(1, 2)


class SpanModel(Model):
    """Logits ``[windows, 2, 1 + tokens]`` of start and end: column 0 is null, then a column a token of the window.

    It computes rows of one window each (`medplug.core.readers.span.each_window`). An
    answer is given where its log odds against null are above `threshold`, which
    validation rows set and which is saved with the weights.
    """

    threshold: Tensor

    def __init__(self, backbone: Backbone, target: Target) -> None:
        super().__init__(backbone, target)
        self.head = SpanHead(backbone.width)  # type: ignore[assignment]
        self.register_buffer("threshold", torch.tensor(0.0))

    def outputs(self, inputs: Inputs) -> Outputs:
        """Pooled features and the logits of every window, in float32 whatever the features came in."""
        features: Features = self.backbone(inputs)
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled, tokens = self.neck(features.pooled.float()), self.neck(features.tokens.float())
            logits: Tensor = self.head(pooled, tokens, inputs["context"])
            return Outputs(pooled, logits)

    @property
    def feature_width(self) -> int:
        """The width of the features that the head reads."""
        head: Any = self.head
        return int(head.null.in_features)

    def set_neck(self, neck: nn.Module, width: int) -> None:
        """Put `neck` behind pooled features and every token, and a new head, which reads its `width` features."""
        device = self.threshold.device
        self.neck = neck.to(device)
        self.head = SpanHead(width).to(device)  # type: ignore[assignment]

    def behind(self, stand_in: Backbone, target: Target) -> SpanModel:
        """The same neck, head and threshold, themselves, behind what stands in for the backbone."""
        tail = SpanModel(stand_in, target).to(self.threshold.device)
        tail.neck, tail.head, tail.threshold = self.neck, self.head, self.threshold
        return tail


class SpanLoss(nn.Module):
    """Cross-entropy of the start and of the end, over null and the tokens of a window's context.

    `label_smoothing` is the share of a label that is spread evenly over all of these.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One loss a window ``[windows]`` from logits ``[windows, 2, 1 + tokens]`` and columns ``[windows, 2]``."""
        logits = logits.float()
        logs, real = logits.log_softmax(-1), logits > ABSENT / 2
        right = logs.gather(-1, labels.unsqueeze(-1))[..., 0]
        even = (logs * real).sum(-1) / real.sum(-1)
        return -((1 - self.label_smoothing) * right + self.label_smoothing * even).mean(1)
