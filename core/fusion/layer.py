"""What a fusion layer promises.

Shapes: ``batch`` rows, ``modalities`` in the order in which the layer was told of
them. A modality is missing in a row whose mask has no real token; what its
features hold there changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from medplug.core.features import Features

_TAKEN = frozenset({*dir(nn.ModuleDict()), *dir(nn.ParameterDict())})
"""Names that a container of modules or parameters has already."""


class Fused(NamedTuple):
    """What a fusion gives for one batch.

    `joined` is ``[batch, width]``; `weights` ``[batch, modalities]`` how much each
    modality counted for each row (0 where it is missing, rows sum to 1), None where
    the layer has no such weights.
    """

    joined: Tensor
    weights: Tensor | None = None


class Fusion(nn.Module, ABC):
    """A layer that joins the features of several modalities into one vector a row.

    `widths` maps each modality to the width of its features; the names become
    those of parameters, so they must be identifiers (ValueError). It reads no more
    than `Features.pooled` and the mask, unless its spec says that it needs tokens.
    """

    width: int
    """The width of what it gives."""
    decides: bool = False
    """Whether `joined` holds the logits themselves, so that no head stands behind it."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        unfit = [name for name in widths if not name.isidentifier() or name in _TAKEN]
        if not widths or unfit or min(widths.values()) < 1:
            raise ValueError(
                f"widths must map at least one modality, an identifier, to a width of at least 1; got {dict(widths)}"
                + (f", of which torch cannot name parameters {', '.join(unfit)}" if unfit else "")
            )
        self.modalities = tuple(widths)

    @abstractmethod
    def forward(self, features: Mapping[str, Features]) -> Fused:
        """Join one batch; every modality is in the mapping, with at least one position of tokens.

        Each row has at least one modality; what a row without any gives is finite and means nothing.
        """
