"""The model of multiple choice: one linear head that scores every option of a question."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medplug.core.adapter import LinearHead
from medplug.core.backbone import Backbone
from medplug.core.data.targets import Target
from medplug.core.errors import BackboneError
from medplug.core.model import Model, Outputs

ABSENT_LOGIT = -1e4
"""The logit of an option that a question does not have: no probability beside any other, and finite in float16."""


class ChoiceModel(Model):
    """Logits ``[batch, options]`` of one head that all options share; `ABSENT_LOGIT` where there is none.

    The backbone's pooled features are blocks ``[batch, options * (width + 1)]``, one an option, whose
    last column is 1 where there is one (`medplug.core.readers.choice`). A neck stands between
    each option's features and the head. The features that penalties act on are the mean over a question's options.
    """

    def __init__(self, backbone: Backbone, target: Target) -> None:
        super().__init__(backbone, target)
        self.options = len(target.classes)
        width, left = divmod(backbone.width, self.options)
        if left or width < 2:
            raise BackboneError(
                f"this {type(backbone).__name__} gives {backbone.width} features a row, and no block for each of "
                f"{self.options} options; read the text backbone through medplug.core.readers.choice"
            )
        self.head = nn.Linear(width - 1, 1)

    def joined(self, pooled: Tensor) -> Outputs:
        """What neck and head make of the blocks, in float32 whatever these came in."""
        with torch.autocast(pooled.device.type, enabled=False):
            blocks = pooled.float().view(len(pooled), self.options, -1)
            there = blocks[..., -1:] > 0  # [batch, options, 1]
            options = self.neck(blocks[..., :-1])
            scores = self.head(options).masked_fill(~there, ABSENT_LOGIT).squeeze(-1)
            shares = there.float() / there.sum(1, keepdim=True)
            return Outputs((options * shares).sum(1), scores)

    @property
    def columns(self) -> int:
        """How many columns `every` gives: one an option."""
        return self.options

    def apart(self, found: NDArray[Any]) -> list[NDArray[Any]]:
        """What `every` gave, whole: nothing is learned along."""
        return [found]

    def set_head(self, head: LinearHead) -> None:
        """Take over a head that was fitted on blocks, as `medplug.core.evaluation.conditional` fits one."""
        width = self.head.in_features
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(head.weight[0, :width])))
            self.head.bias.fill_(float(head.weight[0, width] + head.bias[0]))
