"""A comparison of runs: made, and read in Python, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from medplug.core.comparing.costs import costs_of, differing_keys, differing_means
from medplug.core.comparing.finished import Finished, read_runs
from medplug.core.comparing.scoring import Scores, common_metrics, compare_scores, paired
from medplug.core.comparing.shared import Shared, shared_rows
from medplug.core.errors import RunError, UsageError
from medplug.core.evaluation.scores import RESAMPLES, Estimate
from medplug.core.report.names import gain

Sign = Literal["better", "worse", "unclear", "undefined"]


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other on the test rows that they share; the first is what the others are held against.

    `metric` is the one that words go by: what the first run's model was chosen by.
    `scores` are in the order of `runs`. Where the runs rank passages the rows that
    they left do not tell the metrics again: then `scores` are each run's own, and without differences.
    """

    runs: tuple[Finished, ...]
    shared: Shared
    metric: str
    scores: tuple[Scores, ...]
    resamples: int

    @property
    def paired(self) -> bool:
        """Whether the metrics are of the same rows and their differences of the same resamples."""
        return paired(self.runs[0].target)

    @property
    def metrics(self) -> list[str]:
        """What is told of every run, `metric` first."""
        return [self.metric, *(name for name in self.scores[0].metrics if name != self.metric)]

    @cached_property
    def costs(self) -> list[dict[str, Any]]:
        """What each run cost."""
        return [costs_of(run) for run in self.runs]

    @cached_property
    def keys(self) -> dict[str, list[Any]]:
        """The keys that differ, with each run's value."""
        return differing_keys(self.runs)

    @cached_property
    def means(self) -> dict[str, list[Any]]:
        """The versions and the hardware that differ, with each run's."""
        return differing_means(self.runs)

    def sign(self, run: int) -> Sign:
        """How the run at this position stands to the first by `metric`: by the interval that holds for all together."""
        found = self.scores[run].wide.get(self.metric)
        low, high = (None, None) if found is None else gain(found.as_json(), self.metric)["ci95"]
        if low is None or high is None:
            return "undefined"
        return "better" if low > 0 else "worse" if high < 0 else "unclear"

    def notes(self) -> list[str]:
        """What a reader must know before believing the numbers, in sentences."""
        from medplug.core.comparing.words import cautions

        return cautions(self)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON data."""
        runs = zip(self.runs, self.scores, self.costs, strict=True)
        return {
            "reference": self.runs[0].name,
            "metric": self.metric,
            "paired": self.paired,
            "rows": len(self.shared),
            "groups": None if self.shared.groups is None else self.shared.groups.n_unique(),
            "resamples": self.resamples,
            "runs": {
                run.name: {
                    "folder": str(run.folder),
                    "task": run.task,
                    "test_rows": run.rows.height,
                    "metrics": _json(scores.metrics),
                    "difference": _json(scores.difference),
                    "difference_together": _json(scores.wide),
                    "stands": self.sign(position) if position else "reference",
                    "costs": costs,
                }
                for position, (run, scores, costs) in enumerate(runs)
            },
            "keys": {key: dict(zip(self._names(), values, strict=True)) for key, values in self.keys.items()},
            "means": {name: dict(zip(self._names(), values, strict=True)) for name, values in self.means.items()},
            "notes": self.notes(),
        }

    def write_page(self, file: str | PathLike[str]) -> None:
        """Write the comparison as one HTML page, whole in itself; `RunError` where the place cannot be written."""
        from medplug.core.comparing.page import comparison_page

        try:
            Path(file).expanduser().write_text(comparison_page(self), encoding="utf-8", newline="\n")
        except OSError as error:
            raise RunError(f"{file}: cannot be written: {error.strerror}") from None

    def _names(self) -> list[str]:
        return [run.name for run in self.runs]


def compare_runs(folders: Sequence[str | PathLike[str]], *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Hold finished runs against the first of them on the test rows that all share.

    Raises `UsageError` where there are fewer than two, where they predict different things or
    share no rows, and `ConfigError` or `RunError` for a folder that is no finished run, or a damaged one.
    """
    runs = read_runs(folders)
    shared, metrics = shared_rows(runs), common_metrics(runs)
    if not metrics:
        raise UsageError(f"the runs {', '.join(run.name for run in runs)} have no metric in common")
    if paired(runs[0].target):
        scores = compare_scores(runs, shared, metrics, resamples=resamples, seed=seed)
    else:
        scores = [Scores({name: _kept(run, name) for name in metrics}, {}, {}) for run in runs]
    chosen = runs[0].scores.get("selection", {}).get("metric")
    first = chosen if chosen in scores[0].metrics else next(iter(scores[0].metrics))
    return Comparison(tuple(runs), shared, first, tuple(scores), resamples)


def _kept(run: Finished, metric: str) -> Estimate:
    """A metric as the run's own metrics.json has it."""
    told: Mapping[str, Any] = run.scores["metrics"][metric]
    value, low, high = (float("nan") if x is None else float(x) for x in (told["value"], *told["ci95"]))
    return Estimate(value, low, high)


def _json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: each.as_json() for name, each in estimates.items()}
