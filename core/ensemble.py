"""A deep ensemble: models of one design, trained from different seeds, as one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medplug.core.backbone import Backbone, Inputs
from medplug.core.data.targets import Target
from medplug.core.model import Model, Outputs


class Ensemble(Model):
    """Members whose predictions are averaged: probabilities of classes, numbers, log hazards.

    They prepare and collate rows alike, so that the first one's `backbone` does it for all.
    How far the members are apart says how sure they are: far from what was learned
    they differ more. Lakshminarayanan, Pritzel and Blundell, Simple and Scalable
    Predictive Uncertainty Estimation using Deep Ensembles (2017).
    """

    def __init__(self, members: Sequence[Model], target: Target, also: Mapping[str, Target] | None = None) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(members)
        self.targets = (target, *(also or {}).values())

    @property
    def each(self) -> list[Model]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    @property
    def backbone(self) -> Backbone:  # type: ignore[override]
        """The first member's."""
        return self.each[0].backbone

    def outputs(self, inputs: Inputs) -> Outputs:
        """The members' features side by side, and averaged logits."""
        found = [member.outputs(inputs) for member in self.each]
        heads = zip(*((each.logits, *each.others) for each in found), strict=True)
        main, *others = (averaged(torch.stack(head), to.kind) for head, to in zip(heads, self.targets, strict=True))
        return Outputs(torch.cat([each.features for each in found], 1), main, tuple(others))

    def every(self, inputs: Inputs) -> Tensor:
        """The logits of all heads of every member, side by side ``[batch, members * all outputs]``."""
        return torch.cat([member.every(inputs) for member in self.each], 1)

    def apart(self, found: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """What `every` gave, by head, averaged over the members."""
        by_member = [
            member.apart(own) for member, own in zip(self.each, np.split(found, len(self.each), 1), strict=True)
        ]
        heads = zip(*by_member, strict=True)
        return [
            averaged(torch.from_numpy(np.stack(head)), to.kind).numpy()
            for head, to in zip(heads, self.targets, strict=True)
        ]

    @property
    def columns(self) -> int:
        """How many columns `every` gives."""
        return sum(member.columns for member in self.each)

    def spread(self, found: NDArray[np.float32], target: Target) -> NDArray[np.float64]:
        """The standard deviation of the members' predictions of the main `target` ``[rows, columns]``, from `every`."""
        main = [member.apart(own)[0] for member, own in zip(self.each, np.split(found, len(self.each), 1), strict=True)]
        return np.asarray(np.std([target.probabilities(logits) for logits in main], axis=0))


def averaged(logits: Tensor, kind: str) -> Tensor:
    """The logits ``[rows, outputs]`` of the mean of what members predict, from theirs ``[members, rows, outputs]``."""
    wide = logits.double()
    if kind in ("binary", "multilabel"):  # the log odds of the mean probability
        odds = functional.logsigmoid(wide).logsumexp(0) - functional.logsigmoid(-wide).logsumexp(0)
        return odds.to(logits.dtype)
    if kind in ("multiclass", "choice"):
        return wide.log_softmax(-1).logsumexp(0).sub(np.log(len(logits))).to(logits.dtype)
    return wide.mean(0).to(logits.dtype)
