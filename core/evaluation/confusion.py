"""Metrics of decisions: accuracy, precision, recall and F1, from weighted counts.

Decisions are the target's own (`Target.decide`). A class with neither a true
nor a predicted row has no precision, recall or F1 (NaN), and a macro average
leaves it out. For multiclass that is scikit-learn's macro average, which takes
the classes it meets; for multilabel it differs only in such a label, which
scikit-learn counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from medplug.core.data.targets import Target
from medplug.core.evaluation.statistic import (
    Labels,
    Prepare,
    Probabilities,
    Statistic,
    Values,
    Weights,
    macro,
    mean_of,
    membership,
    ratio,
    summarised,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted rows of each class, ``[b, classes]``: truly of it, decided as it, and both."""

    both: Values
    actual: Values
    decided: Values


def tally(target: Target, labels: Labels, probabilities: Probabilities) -> Callable[[Weights], Counts]:
    """Prepare the counting of true and decided rows by class."""
    actual = membership(target, labels)
    decided = membership(target, target.decide(probabilities))
    # csc: one pass over the rows, each read once for all of its cells. The ones are exact in
    # float32, and leave float32 bootstrap counts what they are.
    cells = sparse.csc_array(np.hstack([actual & decided, actual, decided]).T.astype(np.float32))

    def count(weights: Weights) -> Counts:
        sums = np.asarray(cells @ weights.T, dtype=np.float64).T
        return Counts(*np.split(sums, 3, axis=1))

    return count


def accuracy(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """The share of rows decided rightly; for multilabel with every label right (exact match)."""
    right = np.asarray(labels) == target.decide(probabilities)
    return mean_of((right.all(axis=1) if right.ndim == 2 else right).astype(np.float64))


def balanced_accuracy(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """The mean recall of the classes that have true rows (binary and multiclass)."""
    count = tally(target, labels, probabilities)

    def statistic(weights: Weights) -> Values:
        counts = count(weights)
        return macro(ratio(counts.both, counts.actual, otherwise=np.nan))

    return statistic


def micro_f1(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    """F1 of all classes' decisions pooled; with one label a row that is the accuracy."""
    count = tally(target, labels, probabilities)

    def statistic(weights: Weights) -> Values:
        counts = count(weights)
        pooled = (counts.actual + counts.decided).sum(axis=1)
        return ratio(2 * counts.both.sum(axis=1), pooled, otherwise=np.nan)

    return statistic


def _by_class(formula: Callable[[Counts], Values]) -> Prepare:
    """A statistic ``[b, classes]`` of the counts, NaN where a class has no row, true or decided."""

    def prepare(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
        count = tally(target, labels, probabilities)

        def statistic(weights: Weights) -> Values:
            counts = count(weights)
            return np.where(counts.actual + counts.decided > 0, formula(counts), np.nan)

        return statistic

    return prepare


def _macro_f1(target: Target, labels: Labels, probabilities: Probabilities) -> Statistic:
    statistic = f1_by_class(target, labels, probabilities)
    return lambda weights: macro(statistic(weights))


precision_by_class = _by_class(lambda counts: ratio(counts.both, counts.decided, otherwise=0.0))
recall_by_class = _by_class(lambda counts: ratio(counts.both, counts.actual, otherwise=0.0))
f1_by_class = _by_class(lambda counts: ratio(2 * counts.both, counts.actual + counts.decided, otherwise=0.0))

precision = summarised(precision_by_class)
recall = summarised(recall_by_class)
f1 = summarised(f1_by_class)
macro_f1: Prepare = _macro_f1
"""F1 averaged over the classes, both of them for a binary target."""
