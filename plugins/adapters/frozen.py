"""A small network on the features of a frozen backbone, trained by gradient."""

from __future__ import annotations

from torch import nn

from medplug.core.adapter import Adapter
from medplug.core.model import Model


class Frozen(Adapter):
    """Leave the backbone as it is and train one layer and the head behind it.

    Features are made once, so that penalties between domains cost seconds on a
    processor without a GPU; the layer between is what they can act on.
    """

    def prepare(self, model: Model) -> None:
        """Freeze the backbone, and put a layer between its features and the head."""
        width, hidden = model.feature_width, self.options.hidden
        # normalised row by row: a mean over rows would mix the domains
        layers = nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(self.options.dropout)
        model.backbone.requires_grad_(False)
        model.set_neck(nn.Sequential(*layers), hidden)
