"""What training minimises: the weighted loss of labelled rows and the adapters' penalties."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medplug.core.adapter import Adapter, Batch
from medplug.core.data.targets import Target
from medplug.core.model import Loss, Model, Outputs
from medplug.core.training.rows import Part


class Objective(nn.Module):
    """A model with its loss and penalties; one module, so that processes exchange every gradient.

    `penalties` are the adapters, by name, that answer ``penalty``. What they
    attach is trained with the model, and no part of it.
    """

    def __init__(self, model: Model, loss: Loss, target: Target, penalties: Mapping[str, Adapter]) -> None:
        super().__init__()
        self.model, self.loss, self.target = model, loss, target
        self.progress = 0.0
        self.penalties = dict(penalties)
        attached = {name: adapter.attach(model) for name, adapter in penalties.items()}
        self.attached = nn.ModuleDict({name: module for name, module in attached.items() if module is not None})

    @property
    def together(self) -> bool:
        """Whether the rows of a batch must stay in one part, as a penalty looks at them."""
        return any(adapter.looks_at_rows for adapter in self.penalties.values())

    def forward(self, part: Part) -> Tensor:
        """The part's contribution ``[]`` to the batch's loss."""
        outputs = self._outputs(part)
        labelled = len(part.labels)
        losses: Tensor = self.loss(outputs.logits[:labelled], part.labels)
        value = (losses if part.weights is None else losses * part.weights).mean() * part.share
        batch = Batch(outputs, part.labels, part.sources, part.reference, self.progress, self.target)
        for adapter in self.penalties.values():  # those that look at rows have the whole batch in one part
            value = value + adapter.penalty(batch) * part.share
        return value

    def _outputs(self, part: Part) -> Outputs:
        """Outputs of all the part's rows, in its order."""
        found = [self.model.outputs(inputs) for inputs in part.inputs]
        return Outputs(*(torch.cat(each)[part.places] for each in zip(*found, strict=True)))
