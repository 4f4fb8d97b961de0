"""What of a prediction an explanation by replacing speaks of: one number a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one row, by name, and the `weights` ``[columns]`` by which predictions tell how much it is."""

    name: str
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, target: Target, predicted: NDArray[np.float64]) -> Said:
        """What one row's prediction ``[columns]`` says.

        Of classes the decided one's probability (of several labels the likeliest one's), of a number
        that, of the time to an event the log hazard, of treatments what the advised arm gains over
        the control, or over the next best where the control is advised.
        """
        if target.kind == "treatment":
            return _gain(target, predicted)
        place = int(predicted.argmax()) if target.several else _decided(target, predicted)
        return cls(target.classes[place], np.eye(target.columns)[place])

    def much(self, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of it each of the predictions ``[rows, columns]`` says ``[rows]``."""
        return predictions @ self.weights


def _decided(target: Target, predicted: NDArray[np.float64]) -> int:
    return int(target.decide(predicted[None])[0]) if target.has_classes else 0


def _gain(target: Target, predicted: NDArray[np.float64]) -> Said:
    sign = 1.0 if target.higher_is_better else -1.0
    ordered = (sign * predicted[: len(target.classes)]).argsort()
    advised, other = int(ordered[-1]), 0 if ordered[-1] else int(ordered[-2])
    weights = np.zeros(target.columns)
    weights[advised], weights[other] = sign, -sign
    return Said(f"{target.classes[advised]} - {target.classes[other]}", weights)
