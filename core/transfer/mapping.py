"""Feature-space transfer: modules that map source features into the target's feature space."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from medplug.core.transfer.discrepancies import mmd
from medplug.core.transfer.samples import check_pair, full_precision

MOVE_COST = 0.1
"""What a map pays for a mean squared move: friction, so that of the maps that align it prefers a near one."""


class FeatureMap(nn.Module):
    """``x + g(x)`` on ``[rows, width]``, with one hidden layer in g, whose last layer starts at zero.

    So the map starts as the identity, and learns what to change.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), _zero(nn.Linear(hidden, width)))

    def forward(self, source: Tensor) -> Tensor:
        """The mapped rows ``[rows, width]``."""
        return source + cast(Tensor, self.change(source))


class AutoencoderMap(nn.Module):
    """A row and what a decoder makes of its code: the code ``[rows, code]`` carries the move.

    Encoder and decoder have one hidden layer each, and the decoder's last
    layer starts at zero: at first every row comes back as it went in. The
    target's rows are to go on doing so, while the mapped source rows are to be
    distributed like them. Nothing is lost that the code has no room for.

    After Ghifary et al., Deep Reconstruction-Classification Networks (2016),
    where the code alone is shared and rows come from it entirely; the
    discrepancy, the residual form and the cost of a move are added here.
    """

    def __init__(self, width: int, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.GELU(), _zero(nn.Linear(hidden, width)))

    def forward(self, source: Tensor) -> Tensor:
        """The mapped rows ``[rows, width]``."""
        return source + cast(Tensor, self.decoder(self.encoder(source)))

    def transfer_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """The `mmd` of mapped source and target, and `MOVE_COST` times the sides' mean squared moves.

        `source` is ``[n, width]`` and `target` ``[m, width]``. The target's
        move is its error of reconstruction. A larger share of it would keep
        the map from moving source rows that lie among the target's.
        """
        check_pair(source, target, ("source", "target"))
        with full_precision(source):
            mapped = self(source)
            lost: Tensor = (self(target) - target).square().mean()
            moved: Tensor = (mapped - source).square().mean()
            return mmd(mapped, target) + MOVE_COST * (lost + moved)


class AdversarialMap(nn.Module):
    """A `FeatureMap` trained against a discriminator that tells mapped source rows from target rows.

    Mao et al., Least Squares Generative Adversarial Networks (2017).
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.generator = FeatureMap(width, hidden)
        self.discriminator = nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def forward(self, source: Tensor) -> Tensor:
        """The mapped rows ``[rows, width]``."""
        return cast(Tensor, self.generator(source))

    def transfer_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Both players' least-squares losses in one scalar, so that one step of one optimiser moves both.

        The discriminator is to say 1 of target rows ``[m, width]`` and 0 of
        mapped source rows ``[n, width]``, and only it learns from that; the
        generator is to have it say 1 of mapped rows, and only the generator
        learns from that. It also pays `MOVE_COST` times its mean squared move,
        so that of the maps that deceive it prefers a near one. The sum is no
        measure of success: without a move it is 3/8 at the players' balance.
        """
        check_pair(source, target, ("source", "target"))
        still = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        with full_precision(source):
            mapped = self(source)
            deceived = cast(Tensor, functional_call(self.discriminator, still, (mapped,)))
            told, kept = self.discriminator(mapped.detach()), self.discriminator(target)
            parts = torch.stack([(deceived - 1).square().mean(), told.square().mean(), (kept - 1).square().mean()])
            moved: Tensor = (mapped - source).square().mean()
            return parts.sum() / 2 + MOVE_COST * moved


def _zero(layer: nn.Linear) -> nn.Linear:
    """The layer, to give zero until it has learnt."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
