"""The method."""

from __future__ import annotations

import torch
from medplug.core.adapter import Adapter, Batch
from torch import Tensor


def spectral_shrinkage(features: Tensor, smallest: int = 1) -> Tensor:
    """The sum of the squares of the `smallest` singular values of a batch's features ``[rows, width]``, a scalar.

    A batch has ``min(rows, width)`` singular values. Where it has no more than `smallest` the value is 0: shrinking
    all of them would only shrink the features. Computed in float32 or better; the gradient is
    ``2 * sum(s_i * u_i v_i^T)`` over these values and their singular vectors, and so finite where a value is 0.

    Chen, Wang, Fu, Long and Wang, Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe
    Transfer Learning (NeurIPS 2019).
    """
    if min(features.shape) <= smallest:
        return features.sum() * 0.0
    values = torch.linalg.svdvals(features.to(torch.promote_types(features.dtype, torch.float32)))  # largest first
    total: Tensor = values[-smallest:].square().sum()
    return total


class SpectralShrinkage(Adapter):
    """Adds ``trade_off`` times the spectral shrinkage of a batch's features, those that the head reads, of all rows."""

    def penalty(self, batch: Batch) -> Tensor:
        """A scalar, 0 or above."""
        weighed: Tensor = self.options.trade_off * spectral_shrinkage(batch.outputs.features, self.options.smallest)
        return weighed
