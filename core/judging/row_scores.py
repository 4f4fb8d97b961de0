"""What is told of answers that each have a score of their own: intervals, the baselines beside them, subgroups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.answers import RowScores, estimate_rows
from medplug.core.evaluation.scores import Estimate, Groups, each_subgroup
from medplug.core.judging.judge import as_json, chosen, heading, parts_json
from medplug.core.judging.subgroups import subgroups_of
from medplug.core.judging.twins import without_twins
from medplug.core.plan import Plan
from medplug.core.training.job import Trained


class RowsJudged:
    """The scores of the test rows' answers by metric, with intervals by the same resamples wherever they are told."""

    def __init__(self, own: RowScores, dataset: Dataset, plan: Plan) -> None:
        self.own, self.dataset, self.plan = own, dataset, plan
        self.test = dataset.splits["test"]
        self.how: dict[str, Any] = {
            "groups": self.test.groups,
            "resamples": plan.report.resamples,
            "seed": plan.run.seed,
        }

    def scores(
        self, baselines: Mapping[str, RowScores], *, against: str, trained: Trained, metric: str
    ) -> dict[str, Any]:
        """The content of metrics.json, with what `baselines` score; `difference` is from the one named `against`."""
        return {
            **heading(self.plan, self.dataset, len(self.test)),
            "metrics": self.told(self.own),
            "by_class": {},
            "by_group": {column: self.parts(values) for column, values in subgroups_of(self.test).items()},
            "baseline": {name: self.told(each) for name, each in baselines.items()},
            "difference": self.told({name: self.own[name] - baselines[against][name] for name in self.own}),
            "without_twins": without_twins(self.dataset.twins, self.test.groups, self._of_rows),
            "selection": chosen(self.plan, self.dataset, trained, metric),
        }

    def told(self, by_row: RowScores) -> dict[str, Any]:
        """Means with intervals as JSON data."""
        return as_json(estimate_rows(by_row, **self.how))

    def parts(self, values: list[str]) -> dict[str, Any]:
        """The scores of the rows of each value ``[rows]``."""
        return parts_json(each_subgroup(values, self.test.groups, self._of_rows))

    def _of_rows(self, rows: NDArray[np.int64], groups: Groups | None) -> dict[str, Estimate]:
        some = {name: values[rows] for name, values in self.own.items()}
        return estimate_rows(some, **{**self.how, "groups": groups})
