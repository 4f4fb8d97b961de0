"""A task on the bench: its own built-in sample, and reading it as a run does."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import polars as pl

from medplug.core.conformance.subject import Subject
from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.problems import Problems
from medplug.core.data.reading import fingerprints, open_table, read_examples
from medplug.core.specs import TaskSpec, resolve
from medplug.core.task import Examples, Task

GROUP = "conformance_group"
"""The column of made-up patients, of three rows each."""
_ROWS, _FEW = 150, 30
"""Of the sample no more rows are read, drawn at random; of the small table no more."""


class TaskBench:
    """One task with the options given, or its defaults."""

    def __init__(self, subject: Subject, spec: TaskSpec) -> None:
        self.subject, self.spec = subject, spec

    @cached_property
    def factory(self) -> type[Task]:
        """The task's class."""
        found: type[Task] = resolve(self.spec.factory, owner=f"task {self.spec.name}")
        return found

    @cached_property
    def data_model(self) -> Any:
        """The model of ``data.*``."""
        return resolve(self.spec.data, owner=f"task {self.spec.name}")

    @cached_property
    def sample(self) -> pl.DataFrame:
        """Rows of the built-in sample, shuffled."""
        table = self.task().sample()
        return table.sample(min(_ROWS, table.height), seed=0, shuffle=True)

    @cached_property
    def few(self) -> pl.DataFrame:
        """The small table, which is read often."""
        return self.sample.head(_FEW)

    def data(self, **keys: Any) -> Any:
        """The options ``data.*``: `keys`, over the columns that fit the sample."""
        return self.data_model(**keys).model_copy(update={**self.factory.sample_columns, **keys})

    def task(self, data: Any = None) -> Task:
        """A new task."""
        return self.factory(self.subject.made_options(self.spec), self.data() if data is None else data)

    def read(self, task: Task, table: pl.DataFrame, *, labelled: bool = True) -> tuple[Examples, Problems]:
        """The usable rows of a table, and the problems of the others."""
        data = self.data().model_copy(update={"group": None, "site": None})
        return self._opened(task, data, table, labelled=labelled)

    def grouped(self) -> Examples:
        """All usable rows of the sample, with made-up patients."""
        data = self.data(group=GROUP)
        task = self.task(data)
        found, _ = self._opened(task, data, self._with_groups)
        return found

    def loaded(self, seed: int, **keys: Any) -> Dataset:
        """The sample read, checked, split and encoded as at the start of a run, with made-up patients where asked."""
        data = self.data(**keys).model_copy(update={"train": self._with_groups})
        task = self.task(data)
        sha256 = fingerprints(task, data, ())
        return load_dataset(task, data, by=(), seed=seed, sample=True, sha256=sha256)

    @cached_property
    def _with_groups(self) -> pl.DataFrame:
        return self.sample.with_columns(pl.Series(GROUP, [f"g{row // 3}" for row in range(self.sample.height)]))

    def _opened(
        self, task: Task, data: Any, table: pl.DataFrame, *, labelled: bool = True
    ) -> tuple[Examples, Problems]:
        columns = task.columns(labelled=labelled) | ({} if data.group is None else {"data.group": data.group})
        opened, _ = open_table(task, table, key="data.train", columns=columns)
        return read_examples(task, data, opened, "the table", labelled=labelled)
