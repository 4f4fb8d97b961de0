"""Weights that make labelled source rows stand for the target's."""

from __future__ import annotations

import numpy as np

from medplug.core.adapter import Adapter, Matrix, Weights
from medplug.core.errors import DataError
from medplug.core.transfer.importance import classifier_density_ratio, kernel_mean_matching, kliep

_LEAST_ROWS = 2
"""Each row is judged by what others say."""


class KernelMeanMatching(Adapter):
    """Kernel mean matching (Huang et al., 2006)."""

    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        """Weights under which the source's mean in the kernel's space is the target's, on standardised features."""
        units = deviation(source, target)
        return kernel_mean_matching(source / units, target / units, bound=self.options.bound)


class DensityRatio(Adapter):
    """The target's density over the source's, by a domain classifier or by KLIEP."""

    def weigh(self, source: Matrix, target: Matrix, seed: int) -> Weights:
        """The ratio at each source row."""
        folds = min(self.options.folds, len(source), len(target))
        if folds < _LEAST_ROWS:
            raise DataError(
                f"adapter=density_ratio compares {len(source)} source and {len(target)} target row(s), and needs "
                f"{_LEAST_ROWS} of each; give more"
            )
        if self.options.method == "kliep":
            units = deviation(source, target)
            return kliep(source / units, target / units, folds=folds, seed=seed)
        return classifier_density_ratio(source, target, folds=folds, seed=seed)


def deviation(source: Matrix, target: Matrix) -> Matrix:
    """Each feature's standard deviation in the joint sample ``[width]``, 1 where it is constant."""
    found = np.concatenate([source, target]).std(axis=0)
    return np.where(found > 0, found, 1).astype(np.float32)
