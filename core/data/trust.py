"""What validation rows settle about a model's predictions: corrected probabilities, and sets that hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]
"""Pairs of a probability before and after, ascending."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A correction of classes' probabilities, fitted on validation rows (`medplug.core.evaluation.recalibration`).

    Logits are multiplied by `scale` and then `shift` is added, each one number for all outputs or
    one an output; of `isotonic` steps it is the probability of each output that follows its
    `knots`, straight lines between them.
    """

    method: str
    scale: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)
    knots: tuple[Knots, ...] = ()

    def scaled(self, logits: Floats) -> Floats:
        """Logits ``[rows, outputs]``, scaled and shifted."""
        return np.asarray(logits * np.array(self.scale) + np.array(self.shift))

    def stepped(self, probabilities: Floats, *, exclusive: bool) -> Floats:
        """Probabilities ``[rows, outputs]`` by the knots; `exclusive` ones add up to 1 again."""
        if not self.knots:
            return probabilities
        columns = [
            np.interp(column, *np.array(knots).T) for column, knots in zip(probabilities.T, self.knots, strict=True)
        ]
        found: Floats = np.stack(columns, axis=1)
        return found / found.sum(axis=1, keepdims=True) if exclusive else found

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` and JSON made of one."""
        knots = tuple(tuple((float(x), float(y)) for x, y in each) for each in told["knots"])
        return cls(told["method"], tuple(told["scale"]), tuple(told["shift"]), knots)


@dataclass(frozen=True, slots=True)
class Conformal:
    """Split conformal prediction: at least `coverage` of rows like the validation rows have the truth in their set.

    `quantile` is the score that the share of the `rows` that it was set on does not exceed (a little above `coverage`,
    for their number): of classes one less the truth's probability, of numbers the absolute error.
    """

    coverage: float
    quantile: float
    rows: int

    def sets(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Which classes are in each row's set ``[rows, classes]``; never one of probability 0 (an option it lacks)."""
        return np.asarray((1 - probabilities <= self.quantile) & (probabilities > 0))

    def interval(self, predicted: Floats) -> tuple[Floats, Floats]:
        """The lower and upper bounds of predicted numbers ``[rows]``."""
        return predicted - self.quantile, predicted + self.quantile
