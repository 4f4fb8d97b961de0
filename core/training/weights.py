"""Class weights from how often each class occurs in training."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target


def class_weights(
    labels: NDArray[np.int64], target: Target, rule: Literal["none", "balanced"]
) -> NDArray[np.float64] | None:
    """One weight a class, or None for `none`.

    `balanced` is rows / (classes x count), as scikit-learn has it; for multilabel
    the weight of a label's presence is absent / present, at most 100.
    """
    if rule == "none":
        return None
    if target.kind == "multilabel":
        present = labels.sum(axis=0)
        ratio: NDArray[np.float64] = np.clip((len(labels) - present) / np.maximum(present, 1), 1e-2, 100.0)
        return ratio
    counts = np.bincount(labels, minlength=len(target.classes))
    return np.where(counts > 0, len(labels) / (len(target.classes) * np.maximum(counts, 1)), 0.0)
