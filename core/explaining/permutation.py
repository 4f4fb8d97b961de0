"""What a model loses on the test split where one input's values change places among the rows.

Permutation importance (Breiman, 2001; of any model: Fisher, Rudin and Dominici, 2019): how much worse a
metric gets once a column, or a whole modality, tells of another row. It speaks of what this model
relies on, and not of what is worth knowing: of two columns that say the same each may seem
unneeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.tabular import TableRow
from medplug.core.evaluation.metrics import METRICS, prepare
from medplug.core.evaluation.scores import estimates
from medplug.core.evaluation.statistic import Statistic, Values, Weights
from medplug.core.explaining.answering import Answering, Predictions, put, taken
from medplug.core.explaining.replacing import explainable

if TYPE_CHECKING:
    from medplug.core.data.dataset import Dataset
    from medplug.core.predictor import Predictor
    from medplug.core.task import Examples
    from medplug.core.training.job import Job

REPEATS = 3
_MOST_ROWS, _MOST_WITH_TOKENS = 1000, 200  # a fusion that reads tokens works for each row
_LEAST_ROWS = 10
_BUDGET = 60_000  # rows predicted in all; fewer test rows are taken where there are many columns
_RESAMPLES = 200
_AT_ONCE = 4096

Places = NDArray[np.int64]
"""``[rows]``: which row's value stands in each."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What changes places: a slot or, of a table's slot, the column at `place`, numbers first."""

    slot: str
    name: str
    place: int | None = None


def importance(predictor: Predictor, dataset: Dataset, job: Job, scored: NDArray[np.float64]) -> dict[str, Any] | None:
    """How much worse the run's metric gets for each column and, of several modalities, each of these, as JSON data.

    `scored` ``[rows, columns]`` is what is predicted of the test rows. Above 0 is worse, whichever way the metric
    goes. Intervals are those of the bootstrap over the rows (over their groups), the changes of places staying
    the same. None where there is nothing to change: masks, texts, one modality that is no table.
    """
    target, plan = dataset.target, job.plan
    test = dataset.splits["test"]
    units = units_of(test, predictor.task.slots) if explainable(target) else []
    answering = Answering(predictor, job.features_in)
    most = _MOST_WITH_TOKENS if answering.reads_tokens else _MOST_ROWS
    rows = min(len(test), most, _BUDGET // (REPEATS * max(1, len(units))))
    if not units or rows < _LEAST_ROWS:
        return None
    random = np.random.default_rng(plan.run.seed)
    chosen = np.sort(random.permutation(len(test))[:rows])
    part, labels = test.take(chosen), dataset.labels["test"][chosen]
    changed = permuted(answering, part, units, random)
    sign = 1.0 if METRICS[job.metric].greater_is_better else -1.0
    before = prepare(target, job.metric, labels, scored[chosen])

    def lost(found: Sequence[Predictions]) -> Statistic:
        after = [prepare(target, job.metric, labels, each) for each in found]

        def statistic(weights: Weights) -> Values:
            mean: Values = np.mean([each(weights) for each in after], axis=0)
            return sign * (before(weights) - mean)

        return statistic

    statistics = {str(i): lost(found) for i, found in enumerate(changed)}
    found = estimates(statistics, rows, part.groups, min(plan.report.resamples, _RESAMPLES), plan.run.seed)
    told: dict[str, Any] = {"metric": job.metric, "rows": rows, "repeats": REPEATS, "slots": {}, "columns": {}}
    for i, unit in enumerate(units):
        where = told["slots"] if unit.place is None else told["columns"].setdefault(unit.slot, {})
        where[unit.name] = found[str(i)][0].as_json()
    return told


def units_of(examples: Examples, modalities: Mapping[str, str]) -> list[Unit]:
    """The slots, where there are several, and the columns of those that are tables."""
    found = [Unit(slot, slot) for slot in examples.inputs] if len(examples.inputs) > 1 else []
    for slot, values in examples.inputs.items():
        table = next((each.columns for each in values if isinstance(each, TableRow)), None)
        if modalities.get(slot) == "tabular" and table is not None:
            names = (*table.numeric, *table.categorical)
            found += [Unit(slot, name, place) for place, name in enumerate(names)]
    return found


def permuted(
    answering: Answering, examples: Examples, units: Sequence[Unit], random: np.random.Generator
) -> list[list[Predictions]]:
    """Of each unit what is predicted ``[rows, columns]`` once its values have changed places, so many times over.

    Values change places among the rows that have the slot, and none keeps its own.
    """
    values = examples.values
    asked: list[Any] = []
    for unit in units:
        for places in _places([taken(value, unit.slot) is not None for value in values], random):
            asked += _changed(values, unit, places)
    found = np.concatenate([answering(asked[i : i + _AT_ONCE]) for i in range(0, len(asked), _AT_ONCE)])
    parts = found.reshape(len(units), REPEATS, len(values), -1)
    return [list(each) for each in parts]


def _places(has: Sequence[bool], random: np.random.Generator) -> list[Places]:
    """Changes of places among the rows that have something: in a ring, each takes a next one's value."""
    ring = random.permutation(np.flatnonzero(has))
    found = []
    for step in range(1, REPEATS + 1):
        places = np.arange(len(has))
        if len(ring) > 1:
            places[ring] = np.roll(ring, 1 + (step - 1) % (len(ring) - 1))
        found.append(places)
    return found


def _changed(values: Sequence[Any], unit: Unit, places: Places) -> list[Any]:
    others = [taken(values[place], unit.slot) for place in places.tolist()]
    if unit.place is None:
        return [put(value, unit.slot, other) for value, other in zip(values, others, strict=True)]
    return [
        value if other is None else put(value, unit.slot, _with(taken(value, unit.slot), other, unit.place))
        for value, other in zip(values, others, strict=True)
    ]


def _with(own: TableRow, other: TableRow, place: int) -> TableRow:
    """The row with another's value in one column."""
    numeric = len(own.numbers)
    if place < numeric:
        numbers = own.numbers.copy()
        numbers[place] = other.numbers[place]
        numbers.setflags(write=False)
        return TableRow(own.columns, numbers, own.names)
    names = list(own.names)
    names[place - numeric] = other.names[place - numeric]
    return TableRow(own.columns, own.numbers, tuple(names))
