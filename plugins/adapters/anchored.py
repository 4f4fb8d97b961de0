"""Training held by what is known already: the starting weights, a teacher, or the relations between examples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from medplug.core.adapter import Adapter, Batch, Material, Matrix
from medplug.core.errors import ConfigError
from medplug.core.model import Model
from medplug.core.transfer.anchor import Anchor
from medplug.core.transfer.distillation import distillation_loss
from medplug.core.transfer.relational import relational_angles, relational_distances

_LEAST_ROWS = 3
"""An angle needs three examples."""


class L2sp(Adapter):
    """Weights pulled back to where pretraining left them (L2-SP; Li et al., 2018)."""

    looks_at_rows = False
    _anchor: Anchor

    def attach(self, model: Model) -> nn.Module | None:
        """Remember the starting weights."""
        pretrained = [weight for weight in model.backbone.parameters() if weight.requires_grad]
        fresh = [*model.neck.parameters(), *model.head.parameters(), *model.others.parameters()]
        self._anchor = Anchor(pretrained, fresh, alpha=self.options.alpha, beta=self.options.beta)
        return None

    def penalty(self, batch: Batch) -> Tensor:
        """Half the squared distance to the start, weighted."""
        return self._anchor()


class Distill(Adapter):
    """A teacher's softened predictions beside the labels (Hinton, Vinyals and Dean, 2015); of a number, its values."""

    def reference(self, material: Material) -> Matrix:
        """The teacher's logits ``[rows, outputs]``, its outputs in the order of the target's classes."""
        from medplug.core.api import load

        teacher = load(self.options.teacher)
        ours, theirs = material.target, teacher.target
        if theirs.kind != ours.kind or set(theirs.classes) != set(ours.classes):
            raise ConfigError(
                f"adapter.distill.teacher={self.options.teacher}: it predicts {theirs.kind} "
                f"{', '.join(theirs.classes)}, not {ours.kind} {', '.join(ours.classes)}"
            )
        logits = teacher.logits(material.values)
        if ours.kind == "regression":  # the two standardise by their own training labels
            return ours.standardised(theirs.probabilities(logits)).astype(np.float32)
        if ours.kind == "binary":
            return logits if ours.classes == theirs.classes else -logits
        return logits[:, [theirs.classes.index(name) for name in ours.classes]]

    def penalty(self, batch: Batch) -> Tensor:
        """The divergence from the teacher, over all rows; of a number the squared distance, in standard deviations."""
        if batch.target.kind == "regression":
            squares = (batch.outputs.logits - batch.reference["distill"]).square().mean()
            return torch.mul(squares, self.options.trade_off)
        loss: Tensor = self.options.trade_off * distillation_loss(
            batch.outputs.logits,
            batch.reference["distill"],
            temperature=self.options.temperature,
            kind="softmax" if batch.target.kind == "multiclass" else "sigmoid",
        )
        return loss


class Relation(Adapter):
    """The distances and angles between examples stay as the pretrained backbone has them (Park et al., 2019)."""

    def reference(self, material: Material) -> Matrix:
        """The frozen backbone's features ``[rows, width]``."""
        return np.ascontiguousarray(material.features(), dtype=np.float32)

    def penalty(self, batch: Batch) -> Tensor:
        """How far the relations between the batch's rows have moved."""
        ours, theirs = batch.outputs.features, batch.reference["relation"]
        if len(ours) < _LEAST_ROWS:
            return ours.new_zeros(())
        moved = relational_distances(ours, theirs) + self.options.angles * relational_angles(ours, theirs)
        weighed: Tensor = self.options.trade_off * moved
        return weighed
