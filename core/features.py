"""The features of one batch, as backbones give them and the shared layers take them.

Shapes: ``batch`` rows, ``tokens`` positions, ``width`` features. A mask is True
where a token is real.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """What a backbone gives for one batch.

    `pooled` is ``[batch, width]``; `tokens` ``[batch, tokens, width]`` with
    `mask` ``[batch, tokens]`` (True = real). Where several modalities are joined, a
    row without a real token lacks this one, and its numbers mean nothing.
    """

    pooled: Tensor
    tokens: Tensor
    mask: Tensor

    @property
    def present(self) -> Tensor:
        """Which rows have this modality ``[batch]``."""
        return self.mask.any(1)
