"""The metrics of runs on rows that they share, as statistics of row weights, and the differences between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.comparing.finished import Finished
from medplug.core.comparing.shared import Shared
from medplug.core.data.arms import Treated
from medplug.core.data.targets import Target
from medplug.core.errors import RunError
from medplug.core.evaluation.masks import overall
from medplug.core.evaluation.metrics import metric_names, prepare
from medplug.core.evaluation.resampling import bootstrap_weights
from medplug.core.evaluation.scores import RESAMPLES, Estimate, interval
from medplug.core.evaluation.statistic import Statistic, mean_of
from medplug.core.segmentation.overlap import MEASURES

Statistics = Mapping[str, Statistic]


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of one run, and what they are more than the first run's, taken on the same resamples.

    `difference` is empty for the first run; `wide` holds the same differences in
    intervals that hold for all runs together (see `compare_scores`).
    """

    metrics: dict[str, Estimate]
    difference: dict[str, Estimate]
    wide: dict[str, Estimate]


def common_metrics(runs: Sequence[Finished]) -> list[str]:
    """The metrics that all runs were judged by, in the first one's order."""
    return [name for name in runs[0].scores["metrics"] if all(name in run.scores["metrics"] for run in runs)]


def paired(target: Target) -> bool:
    """Whether the rows of predictions.parquet are enough to take the metrics again."""
    return target.kind != "ranking"


def compare_scores(
    runs: Sequence[Finished], shared: Shared, metrics: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Scores]:
    """Each run's metrics on the shared rows with 95 % intervals, and their differences to the first run's.

    All are taken on the same resamples of rows, or of whole groups. The intervals
    under `wide` are Bonferroni's (Dunn, 1961): of so many differences to the first
    run as there are, a share of 5 % at most has an interval beside the truth in any of them.
    """
    found = [_statistics(run, rows, runs[0].target, metrics) for run, rows in zip(runs, shared.rows, strict=True)]
    drawn = _draw(found, shared, resamples, seed)
    outside = 0.05 / max(len(runs) - 1, 1)
    return [
        Scores(
            {name: interval(float(values[i]), samples[:, i]) for name, (values, samples) in drawn.items()},
            {name: _less_first(each, i) for name, each in drawn.items()} if i else {},
            {name: _less_first(each, i, outside) for name, each in drawn.items()} if i else {},
        )
        for i in range(len(runs))
    ]


_Drawn = tuple[NDArray[np.float64], NDArray[np.float64]]
"""The runs' values of a metric ``[runs]``, and those on each resample ``[resamples, runs]``."""


def _draw(found: Sequence[Statistics], shared: Shared, resamples: int, seed: int) -> dict[str, _Drawn]:
    metrics = list(found[0])
    groups = None if shared.groups is None else shared.groups.to_numpy()
    samples: dict[str, list[NDArray[np.float64]]] = {name: [] for name in metrics}
    for weights in bootstrap_weights(len(shared), groups=groups, resamples=resamples, seed=seed):
        for name, parts in samples.items():
            parts.append(np.column_stack([each[name](weights) for each in found]))
    once = np.ones((1, len(shared)))
    values = {name: np.array([float(each[name](once)[0]) for each in found]) for name in metrics}
    return {name: (values[name], np.concatenate(parts)) for name, parts in samples.items()}


def _less_first(drawn: _Drawn, run: int, outside: float = 0.05) -> Estimate:
    values, samples = drawn
    return interval(float(values[run] - values[0]), samples[:, run] - samples[:, 0], outside=outside)


def _statistics(run: Finished, rows: pl.DataFrame, first: Target, metrics: Sequence[str]) -> Statistics:
    """Those of `metrics` that rows tell, of a run on its rows; errors of outcomes are counted in the `first`'s unit."""
    target = replace(run.target, centre=first.centre, scale=first.scale)
    try:
        return _OTHERS.get(target.kind, _of_rows)(target, rows, metrics)
    except (pl.exceptions.PolarsError, KeyError):
        raise RunError(
            f"{run.folder / 'predictions.parquet'} does not fit model.json: columns or labels are missing; "
            "train the run again"
        ) from None


def _of_rows(target: Target, rows: pl.DataFrame, metrics: Sequence[str]) -> Statistics:
    labels, predicted = target.encode(_labels(target, rows)), _predicted(target, rows)
    return {name: prepare(target, name, labels, predicted) for name in metrics if name in metric_names(target.kind)}


def _labels(target: Target, rows: pl.DataFrame) -> list[object]:
    """The raw labels, as a task reads them."""
    truths = rows["truth"].to_list()
    if target.kind == "survival":
        return list(zip(truths, rows["event"].to_list(), strict=True))
    if target.kind == "treatment":
        return [Treated(*each) for each in zip(rows["treatment"].to_list(), truths, strict=True)]
    return truths


def _predicted(target: Target, rows: pl.DataFrame) -> NDArray[np.float64]:
    """What `Target.probabilities` gave, from its columns."""
    names = [f"p_{name}" for name in target.classes] if target.has_classes else ["prediction"]
    if target.kind == "treatment":
        names = [f"{what}_{arm}" for what in "ye" for arm in target.classes]
    return np.asarray(rows.select(names).to_numpy(), dtype=np.float64)


def _of_masks(target: Target, rows: pl.DataFrame, metrics: Sequence[str]) -> Statistics:
    names = [[f"{measure}_{name}" for name in target.classes] for measure in MEASURES]
    table = np.stack([rows.select(each).cast(pl.Float64).fill_null(np.nan).to_numpy() for each in names], axis=-1)
    return overall(np.asarray(table, dtype=np.float64))


def _of_answers(target: Target, rows: pl.DataFrame, metrics: Sequence[str]) -> Statistics:
    """The means of the scores that each row's answer has."""
    return {name: mean_of(rows[name].to_numpy()) for name in metrics}


_OTHERS: dict[str, Callable[[Target, pl.DataFrame, Sequence[str]], Statistics]] = {
    "mask": _of_masks,
    "span": _of_answers,
    "text": _of_answers,
}
