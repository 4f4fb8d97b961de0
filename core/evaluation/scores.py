"""Scores with their 95 % intervals: overall, by class, by subgroup, and against a baseline.

Intervals are percentiles of the bootstrap (Efron and Tibshirani, 1993, chapter
13) over rows, or over whole groups where groups are given. A resample in which
a metric is undefined (one class only, say) is left out of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.errors import DataError
from medplug.core.evaluation.metrics import BY_CLASS, prepare
from medplug.core.evaluation.resampling import bootstrap_weights
from medplug.core.evaluation.statistic import Labels, Probabilities, Statistic, Weights, membership

Groups = Sequence[str] | NDArray[Any]
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value and its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """``{"value": ..., "ci95": [low, high]}``, with None for what is undefined."""
        value, low, high = (None if math.isnan(x) else x for x in (self.value, self.low, self.high))
        return {"value": value, "ci95": [low, high]}


class Part(TypedDict):
    """The scores of a part of the rows: how many they are, and the metrics by name."""

    n: int
    metrics: dict[str, Estimate]


def point(target: Target, labels: Labels, probabilities: Probabilities, metric: str) -> float:
    """One metric without an interval; NaN where it is undefined. It is what models are chosen by."""
    _check(target, labels, probabilities)
    return float(prepare(target, metric, labels, probabilities)(_once(labels))[0])


def estimate(
    target: Target,
    labels: Labels,
    probabilities: Probabilities,
    metrics: Sequence[str],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each of `metrics` with its interval, from encoded `labels` and `probabilities` ``[rows, classes]``.

    Raises DataError where they do not fit the target and each other, and
    UsageError for a metric that the target does not have.
    """
    _check(target, labels, probabilities)
    statistics = {metric: prepare(target, metric, labels, probabilities) for metric in metrics}
    found = estimates(statistics, len(labels), groups, resamples, seed)
    return {metric: each for metric, (each,) in found.items()}


def per_class(
    target: Target,
    labels: Labels,
    probabilities: Probabilities,
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Part]:
    """Precision, recall, F1, AUROC and AUPRC of each class against the rest; `n` is its true rows.

    Empty where the target has no classes. Of a choice the letters that no row has are left out.
    """
    _check(target, labels, probabilities)
    if not target.has_classes:
        return {}
    probabilities = np.asarray(probabilities, dtype=np.float64)
    statistics = {metric: make(target, labels, probabilities) for metric, make in BY_CLASS.items()}
    found = estimates(statistics, len(labels), groups, resamples, seed)
    support = membership(target, labels).sum(axis=0)
    return {
        name: Part(n=int(support[c]), metrics={metric: each[c] for metric, each in found.items()})
        for c, name in enumerate(target.classes)
        if target.kind != "choice" or support[c] or probabilities[:, c].any()
    }


def paired_difference(
    target: Target,
    labels: Labels,
    probabilities: Probabilities,
    baseline_probabilities: Probabilities,
    metrics: Sequence[str],
    *,
    baseline_target: Target | None = None,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each of `metrics`, model minus baseline, both taken on the same resamples.

    `baseline_target` is the target as the baseline decides, where that is otherwise than the model.
    """
    _check(target, labels, probabilities)
    _check(target, labels, baseline_probabilities)

    def difference(metric: str) -> Statistic:
        model = prepare(target, metric, labels, probabilities)
        baseline = prepare(baseline_target or target, metric, labels, baseline_probabilities)
        return lambda weights: model(weights) - baseline(weights)

    found = estimates({metric: difference(metric) for metric in metrics}, len(labels), groups, resamples, seed)
    return {metric: each for metric, (each,) in found.items()}


def by_subgroup(
    target: Target,
    labels: Labels,
    probabilities: Probabilities,
    subgroup: Sequence[str],
    metrics: Sequence[str],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Part]:
    """`metrics` on the rows of each subgroup (one a row) by itself, subgroups in sorted order."""
    _check(target, labels, probabilities)
    for what, given in (("subgroup", subgroup), ("groups", groups)):
        if given is not None and len(given) != len(labels):
            raise DataError(f"{what} has {len(given)} values for {len(labels)} rows; give one a row")

    def scored(rows: NDArray[np.int64], members: Groups | None) -> dict[str, Estimate]:
        return estimate(
            target, labels[rows], probabilities[rows], metrics, groups=members, resamples=resamples, seed=seed
        )

    return each_subgroup(subgroup, groups, scored)


def each_subgroup(
    subgroup: Sequence[str],
    groups: Groups | None,
    scored: Callable[[NDArray[np.int64], Groups | None], dict[str, Estimate]],
) -> dict[str, Part]:
    """What `scored` gives for the rows of each subgroup and their groups, subgroups in sorted order."""
    belongs = np.asarray(subgroup)
    parts: dict[str, Part] = {}
    for name in np.unique(belongs):
        rows = np.flatnonzero(belongs == name).astype(np.int64)
        members = None if groups is None else np.asarray(groups)[rows]
        parts[str(name)] = Part(n=len(rows), metrics=scored(rows, members))
    return parts


def _once(labels: Labels) -> Weights:
    """Every row counted once."""
    return np.ones((1, len(labels)))


def _check(target: Target, labels: Labels, probabilities: Probabilities) -> None:
    rows, classes = len(labels), len(target.classes)
    wanted = {"multilabel": (rows, classes), "survival": (rows, 2), "treatment": (rows, 2)}.get(target.kind, (rows,))
    if rows == 0:
        raise DataError("there are no rows to score; give at least one labelled row")
    if np.shape(labels) != wanted:
        raise DataError(f"labels of a {target.kind} target have shape {np.shape(labels)}; it must be {wanted}")
    if target.kind == "survival":
        if not (np.isfinite(labels).all() and (labels[:, 0] > 0).all() and np.isin(labels[:, 1], (0, 1)).all()):
            raise DataError("labels of a survival target must be finite times above 0, and zeros or ones")
    elif target.kind == "treatment":
        if not (np.isfinite(labels).all() and np.isin(labels[:, 0], np.arange(classes)).all()):
            raise DataError("labels of a treatment target must be positions of arms, and finite outcomes")
    elif target.kind == "regression":
        if not np.isfinite(labels).all():
            raise DataError("labels of a regression target must be finite numbers")
    elif np.min(labels) < 0 or np.max(labels) >= (2 if target.kind == "multilabel" else classes):
        raise DataError("labels are not encoded: they must be class positions, or zeros and ones for multilabel")
    if np.shape(probabilities) != (rows, target.columns):
        raise DataError(f"probabilities have shape {np.shape(probabilities)}; it must be {(rows, target.columns)}")
    unusable = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if unusable:
        raise DataError(f"the predictions of {unusable} of {rows} rows are not finite; did the training diverge?")


def estimates(
    statistics: Mapping[str, Statistic], rows: int, groups: Groups | None, resamples: int, seed: int
) -> dict[str, list[Estimate]]:
    """Take all statistics on the same resamples of so many `rows`; a list holds one estimate, or one a class."""
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    for weights in bootstrap_weights(rows, groups=groups, resamples=resamples, seed=seed):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    found = {}
    for name, statistic in statistics.items():
        values = np.atleast_1d(statistic(np.ones((1, rows)))[0])
        samples = np.concatenate(drawn[name]).reshape(resamples, len(values))
        found[name] = [interval(float(value), samples[:, c]) for c, value in enumerate(values)]
    return found


def interval(value: float, samples: NDArray[np.float64], *, outside: float = 0.05) -> Estimate:
    """A value between percentiles of its resamples, of which a share of `outside` lies beyond; undefined ones out."""
    defined = samples[~np.isnan(samples)]
    if math.isnan(value) or not len(defined):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(defined, [outside / 2, 1 - outside / 2])
    return Estimate(value, float(low), float(high))
