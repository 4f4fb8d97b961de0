"""What training minimises: the weighted loss of labelled rows and the adapters' penalties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from medplug.core.adapter import Adapter, Batch
from medplug.core.augmentation import Augmentation
from medplug.core.backbone import Inputs
from medplug.core.data.targets import Target
from medplug.core.model import Model, Outputs
from medplug.core.span_model import ABSENT
from medplug.core.training.balance import Balance
from medplug.core.training.rows import Part

_KEPT = 4
"""Micro-batches of one part that are held in memory for the gradient; of more each is computed again."""


class Objective(nn.Module):
    """A model with its loss and penalties; one module, so that processes exchange every gradient.

    `penalties` are the adapters, by name, that answer ``penalty``. What they
    attach is trained with the model, and no part of it. `augmentation` changes
    batches while training. `balance` adds the losses of what is learned along.
    """

    def __init__(
        self,
        model: Model,
        loss: nn.Module,
        target: Target,
        penalties: Mapping[str, Adapter],
        augmentation: Augmentation | None = None,
        balance: Balance | None = None,
    ) -> None:
        super().__init__()
        self.model, self.loss, self.target, self.augmentation = model, loss, target, augmentation
        self.balance = balance
        self.progress = 0.0
        self.penalties = dict(penalties)
        attached = {name: adapter.attach(model) for name, adapter in penalties.items()}
        self.attached = nn.ModuleDict({name: module for name, module in attached.items() if module is not None})

    @property
    def together(self) -> bool:
        """Whether the rows of a batch must stay in one part, as a penalty looks at them, or the loss does."""
        return self.target.kind in ("survival", "ranking") or any(
            adapter.looks_at_rows for adapter in self.penalties.values()
        )

    def forward(self, part: Part) -> Tensor:
        """The part's contribution ``[]`` to the batch's loss."""
        inputs, labels = part.inputs, part.labels
        if self.augmentation is not None and self.training:
            inputs, labels = self._changed(part, self.augmentation)
        outputs = self._outputs(inputs, part.places)
        labelled = len(part.labels)
        losses: Tensor = self.loss(outputs.logits[:labelled], labels)
        value = (losses if part.weights is None else losses * part.weights).mean() * part.share
        if self.balance is not None:
            value = self.balance(value, outputs.others, part)
        batch = Batch(outputs, part.labels, part.sources, part.reference, self.progress, self.target)
        for adapter in self.penalties.values():  # those that look at rows have the whole batch in one part
            value = value + adapter.penalty(batch) * part.share
        return value

    def _changed(self, part: Part, augmentation: Augmentation) -> tuple[list[Inputs], Tensor]:
        """The part's micro-batches and its labels, as the augmentation changes them."""
        labels = shares(part.labels, self.target) if augmentation.mixes else part.labels
        changed, found = [], labels.clone()
        for inputs, rows in zip(part.inputs, torch.split(part.places.argsort(), list(part.counts)), strict=True):
            labelled = rows < len(labels)
            own = rows.clamp(max=len(labels) - 1)  # of every row, so that no size depends on the data
            batch, moved = augmentation.changed(inputs, labels[own], labelled, rows < part.sources)
            changed.append(batch)
            found = found.index_put((own[labelled],), moved[labelled])
        return changed, found

    def _outputs(self, micro: list[Inputs], places: Tensor) -> Outputs:
        """Outputs of all rows, in the order of the part."""
        # of texts that are compared with each other a batch may hold too much to keep what a gradient needs of all
        again = self.target.kind == "ranking" and len(micro) > _KEPT and torch.is_grad_enabled()
        outputs = partial(checkpoint, self.model.outputs, use_reentrant=False) if again else self.model.outputs
        found = [outputs(inputs) for inputs in micro]
        features, logits, *others = (
            _together(each)[places]
            for each in zip(*((one.features, one.logits, *one.others) for one in found), strict=True)
        )
        return Outputs(features, logits, tuple(others))


def _together(parts: Sequence[Tensor]) -> Tensor:
    """The rows of all parts; logits of tokens, of which a part has fewer than another, are filled up."""
    most = max(part.shape[-1] for part in parts)
    return torch.cat([functional.pad(part, (0, most - part.shape[-1]), value=ABSENT) for part in parts])


def shares(labels: Tensor, target: Target) -> Tensor:
    """Encoded labels as shares of each output ``[rows, outputs]``, which can be blended."""
    if target.kind == "multiclass":
        return functional.one_hot(labels, len(target.classes)).float()
    return labels.float().reshape(len(labels), -1)
