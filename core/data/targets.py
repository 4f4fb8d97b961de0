"""What is predicted: its kind, its classes, and the way between labels, logits and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.specs import TargetKind


@dataclass(frozen=True, slots=True)
class Target:
    """A target of kind `binary`, `multiclass`, `multilabel` or `mask` over named `classes`.

    For `binary` the classes are ``(negative, positive)``. Labels are texts
    (tuples of texts for multilabel). For `mask` the classes are those of a pixel
    beside the background, which has number 0 and no name here; a row's label
    is the tuple of classes that its mask shows.
    """

    kind: TargetKind
    classes: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """How many logits a head gives: one for binary, else one a class (of masks also one for the background)."""
        return 1 if self.kind == "binary" else len(self.classes) + (self.kind == "mask")

    @property
    def several(self) -> bool:
        """Whether a row's label is a tuple of classes."""
        return self.kind in ("multilabel", "mask")

    def unknown(self, labels: Sequence[Any]) -> list[int]:
        """The positions of labels that are not among the classes."""
        known = set(self.classes)
        if self.several:
            return [i for i, label in enumerate(labels) if not known.issuperset(label)]
        return [i for i, label in enumerate(labels) if label not in known]

    def encode(self, labels: Sequence[Any]) -> NDArray[np.int64]:
        """Class positions ``[rows]``, or for multilabel zeros and ones ``[rows, classes]``.

        Raises KeyError for a label outside the classes (`unknown` finds them).
        """
        position = {name: i for i, name in enumerate(self.classes)}
        if not self.several:
            return np.array([position[label] for label in labels], dtype=np.int64)
        encoded = np.zeros((len(labels), len(self.classes)), dtype=np.int64)
        for row, names in enumerate(labels):
            encoded[row, [position[name] for name in names]] = 1
        return encoded

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities ``[rows, classes]`` (two columns for binary) from logits ``[rows, outputs]``."""
        logits = np.asarray(logits, dtype=np.float64)
        if self.kind == "multiclass":
            shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
            return shares
        positive = 0.5 * (1.0 + np.tanh(0.5 * logits))  # the sigmoid, without overflow
        both: NDArray[np.float64] = np.hstack([1.0 - positive, positive]) if self.kind == "binary" else positive
        return both

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Encoded decisions: the likeliest class, or for multilabel every class of at least one half."""
        if self.kind == "multilabel":
            return (probabilities >= 0.5).astype(np.int64)
        likeliest: NDArray[np.int64] = probabilities.argmax(axis=1).astype(np.int64)
        return likeliest

    def decode(self, decisions: NDArray[np.int64]) -> list[Any]:
        """Class names of encoded decisions (for multilabel a tuple of names a row)."""
        if self.kind == "multilabel":
            return [tuple(name for name, on in zip(self.classes, row, strict=True) if on) for row in decisions]
        return [self.classes[i] for i in decisions]
