"""What every task keeps, held against its own built-in sample: rows in order, bad ones named, groups whole, a run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import polars as pl

from medplug.core.conformance.checks import Fault, Named, name_of, require, told
from medplug.core.conformance.subject import Subject
from medplug.core.conformance.task_bench import TaskBench
from medplug.core.conformance.task_run import RunCheck
from medplug.core.conformance.task_splits import SplitChecks
from medplug.core.data.content import Digested, content_key
from medplug.core.errors import MedplugError
from medplug.core.evaluation.metrics import METRICS
from medplug.core.evaluation.reported import reported
from medplug.core.specs import Modality, TaskSpec
from medplug.core.task import Examples, Task

_BAD = 3
"""The number of the row that is spoilt."""
_SECRET = "zyxwvut"
"""What is written into a cell, and may stand in no message."""
_TYPES: dict[Modality, str] = {
    "text": "str",
    "molecule": "str",
    "protein": "str",
    "image": "StoredImage",
    "signal": "Signal",
    "tabular": "TableRow",
}


class TaskChecks:
    """The checks of one task."""

    def __init__(self, subject: Subject, spec: TaskSpec) -> None:
        self.bench, self.spec = TaskBench(subject, spec), spec

    def checks(self) -> Iterator[Named]:
        """All of them."""
        splits = SplitChecks(self.bench)
        own = (self.sample, self.target, self.order, self.unlabelled, self.learned, self.bad_rows)
        for check in (*own, splits.determinism, splits.groups, RunCheck(self.bench).runs):
            yield f"task:{self.spec.name}:{name_of(check)}", check

    def sample(self) -> None:
        """The built-in sample is the same each time, has the columns that are needed, and every row of it is usable."""
        task, table = self.bench.task(), self.bench.sample
        same = task.sample().equals(task.sample())
        require(same, "the sample is another each time", "draw it by a seed of its own: random.Random(0)")
        needed = {key: name for key, name in task.columns(labelled=True).items() if type(name) is str}  # no pattern
        lacking = sorted(f"{name} ({key})" for key, name in needed.items() if name not in table.columns)
        require(not lacking, f"the sample lacks the columns of {', '.join(lacking)}", "see sample() and sample_columns")
        found, problems = self.bench.read(task, table)
        first = next((f"row {p.row}, column {p.column}: {p.reason}" for p in problems.in_order()), "")
        require(not first, f"{len(problems.rows)} rows of the sample are bad: {first}", "mend sample() or examples()")
        self._check_examples(found, table.height, task)
        require(found.labels is not None, "a labelled table gives no labels", "give labels where labelled is True")

    def target(self) -> None:
        """The target is of a kind that the spec names, knows the labels, and is scored by metrics that there are."""
        task = self.bench.task()
        found, _ = self.bench.read(task, self.bench.sample)
        target = task.target(found.labels or [])
        require(
            target.kind in self.spec.targets,
            f"target() gives a {target.kind} target, and the spec names {', '.join(self.spec.targets)}",
            "name the kind in TaskSpec.targets",
        )
        require(not target.unknown(found.labels or []), "labels are not among the target's classes", "see target()")
        metrics = task.metrics(target)
        unknown = [name for name in metrics if name not in {*METRICS, *reported(target.kind)}]
        require(
            metrics and not unknown,
            f"metrics() gives {', '.join(unknown) or 'nothing'} for a {target.kind} target",
            f"give some of {', '.join(reported(target.kind))}, the one to choose by first",
        )

    def order(self) -> None:
        """Examples stand in the order of the table's rows, each made of its own row alone."""
        table = self.bench.few
        forwards, _ = self.bench.read(self.bench.task(), table)
        backwards, _ = self.bench.read(self.bench.task(), table.reverse())
        fix = "make each example of its row alone, in the table's order"
        require(
            _read_contents(forwards) == _read_contents(backwards)[::-1],
            "a table read backwards gives other inputs",
            fix,
        )
        require(forwards.labels == (backwards.labels or [])[::-1], "a table read backwards gives other labels", fix)

    def unlabelled(self) -> None:
        """A table without labels can be read, and gives the same inputs."""
        task = self.bench.task()
        needed = set(task.columns(labelled=True).values()) - set(task.columns(labelled=False).values())
        bare = self.bench.few.drop([name for name in needed if name in self.bench.few.columns])
        told_with, _ = self.bench.read(task, self.bench.few)
        found, problems = self.bench.read(task, bare, labelled=False)
        require(not problems.found, f"{len(problems.rows)} rows are bad without labels", "read no label there")
        require(found.labels is None, "labels of a table that has none", "give labels=None where labelled is False")
        self._check_examples(found, bare.height, task)
        fix = "let inputs depend on no label"
        require(_read_contents(found) == _read_contents(told_with), "without labels the inputs are others", fix)

    def learned(self) -> None:
        """What reading settled is JSON data, and a task that recalls it reads alike."""
        task = self.bench.task()
        first, _ = self.bench.read(task, self.bench.few)
        again = self.bench.task()
        try:
            again.recall(json.loads(json.dumps(task.learned(), allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise Fault(f"learned() is no JSON data: {error}", "give texts, numbers, lists and mappings") from None
        found, _ = self.bench.read(again, self.bench.few, labelled=False)
        require(
            _read_contents(found) == _read_contents(first),
            "after recall() inputs are others",
            "see learned() and recall()",
        )

    def bad_rows(self) -> None:
        """An empty cell, or one of nonsense, is read as missing, or noted with its row and column and never quoted."""
        named = [name for name in self.bench.task().columns(labelled=True).values() if name in self.bench.few.columns]
        noticed = False
        for column in named:
            for value in (None, _SECRET):
                if value is not None and self.bench.few.schema[column] != pl.String:
                    continue
                noticed |= self._check_spoilt(column, value)
        require(
            noticed,
            f"no empty cell in {', '.join(named)} is noticed",
            "note rows without an input or a label: problems.add([row], column, reason), rows counted from 1",
        )

    def _check_spoilt(self, column: str, value: str | None) -> bool:
        """Read the small table with one cell spoilt; whether that was noticed."""
        at = pl.int_range(pl.len()) == _BAD - 1
        table = self.bench.few.with_columns(pl.when(at).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))
        what = f"with {'an empty cell' if value is None else 'nonsense'} in row {_BAD}, column {column}"
        try:
            found, problems = self.bench.read(self.bench.task(), table)
        except MedplugError as error:
            fix = f"note it: problems.add([{_BAD}], {column!r}, reason); one bad row is no reason to refuse a table"
            raise Fault(f"{what} reading stops: {told(error)}", fix) from None
        rows = sorted(problems.rows)
        require(rows in ([], [_BAD]), f"{what} the rows {rows} are called bad", "count rows from 1, and note this one")
        named = [problem.column for problem in problems.found]
        require(set(named) <= set(table.columns), f"{what} the column {named} is named", "name the table's own column")
        quoted = any(_SECRET in problem.reason for problem in problems.found)
        require(
            not quoted, f"{what} the reason quotes the cell", "say what is wrong and what is allowed, not the content"
        )
        blank = any(type(cell) is str and not cell.strip() for cells in found.inputs.values() for cell in cells)
        fix = f"note it: problems.add([{_BAD}], {column!r}, reason), or give None where a row may lack it"
        require(not blank, f"{what} a blank text is handed on", fix)
        return bool(rows)

    def _check_examples(self, found: Examples, height: int, task: Task) -> None:
        rows, slots = found.rows.tolist(), dict(task.slots)
        require(rows == list(range(1, height + 1)), "rows are not numbered 1, 2, 3 ...", "give an example a row")
        keys = sorted(found.inputs)
        require(
            keys == sorted(slots), f"inputs are {keys}, and slots {sorted(slots)}", "give the inputs that slots name"
        )
        stray = sorted(set(slots.values()) - set(self.spec.modalities))
        require(not stray, f"slots of {', '.join(stray)}, which the spec does not name", "name them in modalities")
        for slot, values in found.inputs.items():
            wanted = _TYPES[slots[slot]]
            other = sorted({type(value).__name__ for value in values if not _fits(value, wanted)})
            require(
                len(values) == height and not other,
                f"{slot} has {len(values)} values, and {', '.join(other) or 'none'} among them is no {wanted}",
                f"hand on one {wanted} a row, None where it lacks one: backbones of {slots[slot]} read these",
            )


def _fits(value: object, wanted: str) -> bool:
    """Whether backbones of the modality, or the reader of a task that has one of its own, take such a value."""
    own = wanted == "str" and isinstance(value, Digested)
    return value is None or own or type(value).__name__ == wanted


def _read_contents(examples: Examples) -> list[list[bytes | None]]:
    """What stands for each row's inputs."""
    columns = [examples.inputs[slot] for slot in sorted(examples.inputs)]
    return [[None if value is None else content_key(value) for value in row] for row in zip(*columns, strict=True)]
