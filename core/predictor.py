"""Prediction with a trained model: rows in, decisions and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.config import DataConfig
from medplug.core.data.also import also_key
from medplug.core.data.content import content_key
from medplug.core.data.problems import Problem, Problems
from medplug.core.data.reading import open_table, read_examples
from medplug.core.data.seen import Seen, find_seen
from medplug.core.data.tables import table_name
from medplug.core.data.targets import Target
from medplug.core.errors import DataError, RowsError, UsageError
from medplug.core.kinds.kind import How
from medplug.core.kinds.table import kind_of
from medplug.core.model import Model
from medplug.core.predicting.columns import NeededColumn, given_columns, needed_columns
from medplug.core.screening.options import TOP, Screen
from medplug.core.task import Examples, Task
from medplug.core.training.compute import Compute, Report, infer

if TYPE_CHECKING:
    from medplug.core.asking.answer import Answer
    from medplug.core.explaining.attribution import Attribution

Rows = Any
"""A file, a polars or pandas frame, a mapping of columns, or a list of row mappings."""


def _silent(done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(slots=True)
class Predictor:
    """A trained model with the task that reads its rows. Made by `medplug.load` or at the end of a run.

    `also` are the targets that were learned along, by name, in the order of the model's heads,
    `folder` is the run's, and `certain_from` the least score of a sure answer (None: there are no answers).
    """

    task_name: str
    task: Task
    model: Model
    target: Target
    compute: Compute
    also: Mapping[str, Target] = field(default_factory=dict)
    folder: Path | None = None
    certain_from: float | None = None

    def logits(self, values: Sequence[Any], report: Report = _silent) -> NDArray[np.float32]:
        """Logits ``[rows, outputs]`` of raw inputs; equal inputs are computed once."""
        return self.every(values, report)[0]

    def every(self, values: Sequence[Any], report: Report) -> list[NDArray[np.float32]]:
        """The logits of the main target, and of each that was learned along."""
        return self.model.apart(self.found(values, report))

    def found(self, values: Sequence[Any], report: Report) -> NDArray[np.float32]:
        """What the model gives for all of its heads, side by side."""
        if not len(values):
            return np.empty((0, self.model.columns), np.float32)
        keys = [content_key(value) for value in values]
        distinct = dict(zip(keys, values, strict=True))
        place = {key: i for i, key in enumerate(distinct)}
        model = self.model.ready()
        items = model.backbone.prepare(list(distinct.values()))
        result = infer(model.every, model.backbone, items, self.compute, report)
        return result[[place[key] for key in keys]]

    def predict(self, rows: Rows, *, on_error: str = "stop", report: Report = _silent) -> pl.DataFrame:
        """A frame with `row` (first row = 1), `prediction` and one probability a class (``p_CLASS``).

        Of a number the prediction is a float, and of the time to an event the log hazard;
        there are no probabilities. Beside a log hazard stand `median_time` (null where it is
        beyond the times of training) and the chance of outliving three times (``s_TIME``).
        What was learned along has a column each (``also_NAME``). Where several models are
        averaged, `std` is the standard deviation of what they predict: of the number, or of
        the predicted class's probability.
        Of treatments the prediction is the advised arm, see `medplug.core.frames.treatments`.

        Raises `RowsError` for rows that cannot be used; with ``on_error="skip"`` they are left out.
        """
        return self.predict_with_problems(rows, on_error=on_error, report=report)[0]

    def predict_with_problems(
        self,
        rows: Rows,
        *,
        on_error: str = "stop",
        report: Report = _silent,
        masks: Path | None = None,
        top: int | None = None,
    ) -> tuple[pl.DataFrame, list[Problem]]:
        """The same, and the rows that were left out with the reason for each.

        A model of masks writes these to the folder `masks`, as ``ROW.png`` of class numbers
        (0 the background); `UsageError` for any other model.
        """
        self.check_masks(masks)
        examples, problems = self.unlabelled(rows, on_error=on_error)
        return self.predicted(examples, report=report, masks=masks, top=top), problems.in_order()

    @property
    def columns_needed(self) -> tuple[NeededColumn, ...]:
        """The columns that a table to predict on has, by name, with what a cell of each holds."""
        return needed_columns(self.task)

    @property
    def columns_given(self) -> pl.Schema:
        """The columns of what `predict` gives, with their types; rows that have names get a column ``name`` beside."""
        return given_columns(self)

    def check_masks(self, masks: Path | None) -> None:
        """`UsageError` where a folder is given and the model predicts no masks."""
        if masks is not None and self.target.kind != "mask":
            raise UsageError(f"this model predicts a {self.target.kind} target and no masks; leave out --masks")

    def unlabelled(self, rows: Rows, *, on_error: str) -> tuple[Examples, Problems]:
        """The rows of a table to predict on, with their groups where it has them, and what is wrong with some."""
        data: DataConfig = self.task.data.model_copy(update={"site": None})
        return self.read(rows, data, labelled=False, on_error=on_error)

    def predicted(
        self, examples: Examples, *, report: Report = _silent, masks: Path | None = None, top: int | None = None
    ) -> pl.DataFrame:
        """The predictions of rows that were read."""
        columns = {"row": examples.rows, **({"name": examples.names} if examples.names else {})}
        return kind_of(self.target).predicted(self, examples, columns, How(masks, top), report)

    def seen(self, rows: Rows | Examples, *, on_error: str = "stop") -> Seen | None:
        """Which rows the run has learned from or was chosen by, exactly or nearly, and whose groups it has.

        None where the run folder does not tell (``seen.safetensors``). See `medplug.core.data.seen.Seen`.
        """
        examples = rows if isinstance(rows, Examples) else self.unlabelled(rows, on_error=on_error)[0]
        return None if self.folder is None else find_seen(self.folder, examples, self.task.slots)

    def screen(
        self,
        library: Rows,
        *,
        against: Rows,
        top: int = TOP,
        lowest: bool = False,
        draws: int | None = None,
        seed: int = 0,
        members: Sequence[Predictor] = (),
        on_error: str = "stop",
        report: Report = _silent,
    ) -> pl.DataFrame:
        """The `top` entities of `library` that rank best against each of `against`; both are files or tables.

        `members` are further models of an ensemble with this one. See `medplug.core.screening.screen.screen`
        for the columns and errors, and `medplug.core.screening.options.Screen` for the options.
        """
        from medplug.core.screening.screen import screen

        many, few = (_columns(each) if isinstance(each, list | tuple) else each for each in (library, against))
        how = Screen(top, lowest, draws, seed, on_error)
        return screen([self, *members], many, few, how, report).frame

    def evaluate(self, rows: Rows, *, resamples: int = 1000, seed: int = 0, report: Report = _silent) -> dict[str, Any]:
        """Score labelled rows: the metrics with their 95 % intervals, as in metrics.json.

        So for the targets that were learned along, where the rows have labels of them (``also``). Where the task
        tells of entities, as drugs, how the metrics lie over these (``by_entity``). ``seen`` are the numbers of the
        rows that the run knows, see `seen`.
        """
        examples, _ = self.read(rows, self.task.data, labelled=True, on_error="stop")
        labels = examples.labels or []
        unknown = self.target.unknown(labels)
        if unknown:
            numbers = ", ".join(str(row) for row in examples.rows[unknown[:20]])
            raise DataError(
                f"{len(unknown)} row(s) have a label that the model was not trained on (rows {numbers})\n"
                f"it knows: {', '.join((*self.target.classes, *self.target.outcomes))}"
            )
        how: dict[str, Any] = {"groups": examples.groups, "resamples": resamples, "seed": seed}
        found = kind_of(self.target).scored(self, examples, report, how)
        if (known := self.seen(examples)) is not None:
            found["seen"] = known.as_json()
        metrics = {name: each.as_json() for name, each in found.pop("metrics").items()}
        return {"task": self.task_name, "split": "evaluation", "n": len(examples), "metrics": metrics, **found}

    def explain(
        self,
        rows: Rows,
        *,
        only: Sequence[int] | None = None,
        method: str = "auto",
        show_examples: bool = False,
        seed: int = 0,
        on_error: str = "stop",
    ) -> list[Attribution]:
        """What in rows speaks for what is predicted of them: the scores of their tokens, atoms, patches, columns.

        `only` are the numbers of the rows to explain (first row = 1; default the first three), `method` is
        one of `medplug.core.explaining.explain.WAYS` (``auto``: all that have something to say). Words, pictures
        and molecules of the rows are part of it only with `show_examples`. Raises `UsageError` where nothing can
        be said of this model or a row is not there, and `RowsError` for rows that cannot be used.
        """
        from medplug.core.explaining.asked import explain

        return explain(self, rows, only, method, show_examples, seed, on_error)

    def ask(self, question: str, *, context: str | None = None, options: Sequence[str] = (), top: int = 5) -> Answer:
        """The answer to one question, with the passages it rests on (of a ranking the `top` ones).

        `context` is the text it is asked of, `options` are those to choose from, as the run's task needs them.
        Raises `UsageError` where the task answers no questions, or lacks what it needs, and `RowsError` for what
        cannot be used.
        """
        row = self.task.question_row(question, context, tuple(options))
        data: DataConfig = self.task.data.model_copy(update={"group": None, "site": None})
        examples, problems = self.read([row], data, labelled=False, on_error="skip")
        if problems.found:
            reasons = "; ".join(problem.reason for problem in problems.in_order())
            raise RowsError(f"this question cannot be answered: {reasons}")
        return kind_of(self.target).asked(self, examples, top)

    def read(self, rows: Rows, data: DataConfig, *, labelled: bool, on_error: str) -> tuple[Examples, Problems]:
        """The rows of a table as the task reads them, and what is wrong with some."""
        source = _columns(rows) if isinstance(rows, list | tuple) else rows
        columns = self.task.columns(labelled=labelled)
        extra = [name for name in (data.group, data.site) if name]
        also = {also_key(name) for name in self.also}
        extra += [columns.pop(key) for key in also & columns.keys()]  # rows to evaluate on need not have them
        key = "DATA" if labelled else "INPUT"
        table, folder = open_table(
            self.task, source, key=key, columns=columns, optional=extra, any_of=self.task.columns_of_slots()
        )
        examples, problems = read_examples(self.task, data, table, table_name(source), labelled=labelled, folder=folder)
        if on_error == "stop":
            problems.stop("" if labelled else 'on_error="skip" (on the command line: --on-error skip)')
        return examples, problems


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Row mappings as columns; a key that a row lacks is a missing value."""
    if not all(isinstance(row, Mapping) for row in rows):
        raise DataError("give rows as mappings, as in predict([{'text': '...'}])")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
