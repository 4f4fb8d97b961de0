"""Class weights from how often each class occurs in training."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target

Rule = Literal["auto", "none", "balanced"]
Weights = NDArray[np.float64]


def weightings(labels: NDArray[Any], target: Target, rule: Rule) -> dict[str, Weights | None]:
    """The weightings that a closed-form fit may choose from on validation: under `auto` both, else the one named.

    A number and a time have no classes to weigh, and of masks no head is fitted.
    """
    if not target.has_classes or target.kind in ("mask", "choice"):
        return {"none": None}
    known = {"none": None, "balanced": balanced_weights(labels, target)}
    return known if rule == "auto" else {rule: known[rule]}


def balanced_weights(labels: NDArray[np.int64], target: Target) -> Weights:
    """One weight a class: rows / (classes x count), as scikit-learn has it.

    For multilabel the weight of a label's presence is absent / present, at most 100.
    """
    if target.kind == "multilabel":
        present = labels.sum(axis=0)
        ratio: NDArray[np.float64] = np.clip((len(labels) - present) / np.maximum(present, 1), 1e-2, 100.0)
        return ratio
    counts = np.bincount(labels, minlength=len(target.classes))
    return np.where(counts > 0, len(labels) / (len(target.classes) * np.maximum(counts, 1)), 0.0)
