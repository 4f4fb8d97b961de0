"""Overlaps of masks as scores with intervals: means over images, class by class and over the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medplug.core.evaluation.scores import RESAMPLES, Estimate, Groups, Part, each_subgroup, estimates
from medplug.core.evaluation.statistic import Statistic, Weights, macro, ratio
from medplug.core.segmentation.overlap import MEASURES

Table = NDArray[np.float64]
"""``[rows, classes, measures]``: each image's overlaps with its true mask, NaN where neither has the class."""


def estimate_overlaps(
    table: Table, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Each measure with its interval: the mean over images of each class, and of that the mean over classes."""
    found = estimates(overall(table), len(table), groups, resamples, seed)
    return {name: each for name, (each,) in found.items()}


def overlaps_per_class(
    table: Table,
    shown: Mapping[str, int],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Part]:
    """The measures of each class, in the table's order; `shown` names it and says in how many images it is."""
    found = estimates(_by_class(table), len(table), groups, resamples, seed)
    return {
        name: Part(n=images, metrics={measure: each[place] for measure, each in found.items()})
        for place, (name, images) in enumerate(shown.items())
    }


def overlap_difference(
    table: Table, other: Table, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Each measure, the first table's less the other's, both taken on the same resamples of images."""
    mine, theirs = overall(table), overall(other)

    def difference(measure: str) -> Statistic:
        return lambda weights: mine[measure](weights) - theirs[measure](weights)

    found = estimates({name: difference(name) for name in MEASURES}, len(table), groups, resamples, seed)
    return {name: each for name, (each,) in found.items()}


def overlaps_by_subgroup(
    table: Table,
    subgroup: Sequence[str],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Part]:
    """The measures on the images of each subgroup (one a row) by itself, subgroups in sorted order."""

    def scored(rows: NDArray[np.int64], members: Groups | None) -> dict[str, Estimate]:
        return estimate_overlaps(table[rows], groups=members, resamples=resamples, seed=seed)

    return each_subgroup(subgroup, groups, scored)


def overall(table: Table) -> dict[str, Statistic]:
    """Each measure as a statistic of image weights: the mean over images of each class, and of that over classes."""
    return {name: _averaged(statistic) for name, statistic in _by_class(table).items()}


def _averaged(statistic: Statistic) -> Statistic:
    return lambda weights: macro(statistic(weights))


def _by_class(table: Table) -> dict[str, Statistic]:
    return {name: _mean(table[:, :, place]) for place, name in enumerate(MEASURES)}


def _mean(values: NDArray[np.float64]) -> Statistic:
    """The weighted mean of the defined ones of values ``[rows, classes]``."""
    defined = (~np.isnan(values)).astype(np.float64)
    filled = np.nan_to_num(values)

    def mean(weights: Weights) -> NDArray[np.float64]:
        return ratio(np.asarray(weights @ filled), np.asarray(weights @ defined), otherwise=np.nan)

    return mean
