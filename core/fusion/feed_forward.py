"""Layers behind pooled features side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from medplug.core.features import Features
from medplug.core.fusion.concat import Concat
from medplug.core.fusion.layer import Fused, Fusion
from medplug.core.fusion.presence import wide


class FeedForward(Fusion):
    """Linear layers of these widths (`hidden`, one at least) behind pooled features side by side, each with ReLU.

    Dropout stands behind each ReLU, and where layers are `normalised` layer norm before it.
    That is how DeepDTA joins a drug and a protein (Öztürk, Özgür and Ozkirimli, 2018), with
    layers of 1,024, 1,024 and 512 that are not normalised.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        hidden: Sequence[int] = (256,),
        dropout: float = 0.1,
        *,
        normalised: bool = False,
    ) -> None:
        super().__init__(widths)
        self.side_by_side = Concat(widths)
        sizes = [self.side_by_side.width, *hidden]
        layers = [_layer(before, after, dropout, normalised) for before, after in zip(sizes, sizes[1:], strict=False)]
        self.layers = nn.Sequential(*layers)
        self.width = sizes[-1]

    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch."""
        return Fused(wide(self.layers(self.side_by_side(features).joined)))


def _layer(before: int, after: int, dropout: float, normalised: bool) -> nn.Sequential:
    norm = [nn.LayerNorm(after)] if normalised else []
    return nn.Sequential(nn.Linear(before, after), *norm, nn.ReLU(), nn.Dropout(dropout))
