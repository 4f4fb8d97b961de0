"""The quadratic problem of kernel mean matching: least squares over a box and a bounded mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.transfer.rows import Weights

STEPS = 2000
"""The most steps."""


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Minimises ``b'Kb / (2 n^2) - pull'b / n`` over ``0 <= b <= bound`` and ``|mean(b) - 1| <= slack``.

    `kernel` is K ``[n, n]``, symmetric, semidefinite and nowhere negative, in
    float32 or float64; `pull` ``[n]``; `bound` is at least 1. It is solved when
    the duality gap, which no optimum lies further below, is `gap`.
    """

    kernel: NDArray[np.floating[Any]]
    pull: Weights
    bound: float
    slack: float
    gap: float

    def solve(self) -> Weights:
        """The weights ``[n]``, to the gap or for `STEPS` steps; either way they keep to the bounds.

        Accelerated projected gradient, restarted where it turns uphill:
        Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm
        (2009); O'Donoghue and Candes, Adaptive Restart for Accelerated Gradient
        Schemes (2015).
        """
        step = 1 / self.steepest()
        weights = np.ones(len(self.pull))
        ahead, slopes, slopes_ahead = weights, *[self.slopes(weights)] * 2
        momentum = 1.0
        for _ in range(STEPS):
            if slopes @ (weights - self.lowest(slopes)) <= self.gap * len(weights):
                break
            after = self.projected(ahead - step * slopes_ahead)
            slopes_after = self.slopes(after)
            if (ahead - after) @ (after - weights) > 0:
                momentum = 1.0
            grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            share = (momentum - 1) / grown
            ahead = after + share * (after - weights)
            slopes_ahead = slopes_after + share * (slopes_after - slopes)  # slopes are affine: no second product
            weights, slopes, momentum = after, slopes_after, grown
        return weights

    def slopes(self, weights: Weights) -> Weights:
        """The gradient times n, ``[n]``."""
        found = self.kernel @ weights.astype(self.kernel.dtype)
        return found.astype(np.float64) / len(weights) - self.pull

    def steepest(self) -> float:
        """A bound on the largest eigenvalue of K / n: power steps, and the largest growth of an entry in the last."""
        vector = np.ones(len(self.pull))
        for _ in range(5):
            grown = self.slopes(vector) + self.pull
            bound = float((grown / vector).max())
            vector = grown / grown.max()
        return bound

    def projected(self, point: Weights) -> Weights:
        """The nearest allowed weights: a common shift brings the mean to its nearest allowed value, by bisection."""
        inside = point.clip(0, self.bound)
        mean = min(max(inside.mean(), 1 - self.slack), 1 + self.slack)
        if mean == inside.mean():
            return inside
        low, high = point.min() - self.bound, point.max()
        for _ in range(60):  # a float64 has no more digits
            shift = (low + high) / 2
            if (point - shift).clip(0, self.bound).mean() > mean:
                low = shift
            else:
                high = shift
        found: Weights = (point - (low + high) / 2).clip(0, self.bound)
        return found

    def lowest(self, slopes: Weights) -> Weights:
        """The allowed weights that have the least product with `slopes`: full ones where these are lowest."""
        n = len(slopes)
        most = (slopes < 0).sum() * self.bound
        total = min(max(most, n * (1 - self.slack)), n * (1 + self.slack))
        left = total - np.arange(n) * self.bound
        found = np.empty(n)
        found[slopes.argsort(kind="stable")] = left.clip(0, self.bound)
        return found
