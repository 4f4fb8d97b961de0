"""From the plan's tables to examples: the columns that are needed, their checks, and what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medplug.core.config import DataConfig
from medplug.core.data import cells, leakage
from medplug.core.data.naming import Named
from medplug.core.data.problems import Problem, Problems
from medplug.core.data.revealing import Revealing
from medplug.core.data.tables import fingerprint, read_table, table_name
from medplug.core.images.store import StoredImage
from medplug.core.signals.signal import Signal
from medplug.core.task import Examples, Task
from medplug.core.wording import Wording

TABLES = ("source", "train", "unlabelled", "validation", "test")


@dataclass(slots=True)
class Facts:
    """What was read and what was done to it; the report and the manifest tell it.

    `domains` counts the labelled training rows of the source and the target.
    """

    sample: bool = False
    sample_is: str = "generated"
    wording: Wording = field(default_factory=Wording)
    sha256: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: list[tuple[str, Problem]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)
    leaks: list[leakage.Leak] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    revealing: list[Revealing] = field(default_factory=list)
    split_by: str = ""


def fingerprints(task: Task, data: DataConfig, by: tuple[str, ...]) -> dict[str, str]:
    """Each given table's SHA-256, by its split, and that of further passages; `DataError` where one cannot be read."""
    given = {name: getattr(data, name) for name in TABLES}
    found = {
        name: fingerprint(
            task.tabulate(table, f"data.{name}"),
            key=f"data.{name}",
            columns=columns_of(task, data, name, by),
            optional=optional_columns(data, name),
            any_of=spared_columns(task, name),
        )
        for name, table in given.items()
        if table is not None
    }
    passages = task.further_passages()
    return found if passages is None else {**found, "corpus": passages.sha256}


def learned_only(data: DataConfig, split: str) -> bool:
    """Whether no row of this table is ever reported on: patients, sites and report columns may be missing there."""
    return split == "unlabelled" or (split == "source" and data.train is not None)


def optional_columns(data: DataConfig, split: str) -> list[str]:
    """The columns to read of a table where it has them."""
    return [name for name in (data.group, data.site) if name] if learned_only(data, split) else []


def spared_columns(task: Task, split: str) -> list[tuple[str, ...]]:
    """The groups of keys of which a table may lack some, as `read_table` takes them."""
    return task.columns_of_unlabelled() if split == "unlabelled" else []


def columns_of(task: Task, data: DataConfig, split: str, by: tuple[str, ...]) -> dict[str, str]:
    """The columns to read of a table: configuration key -> column."""
    columns = task.columns(labelled=split != "unlabelled")
    if learned_only(data, split):
        return columns
    extra = {"data.group": data.group, "data.site": data.site}
    if split == "train":
        extra["data.split_column"] = data.split_column
    found = {**columns, **{key: column for key, column in extra.items() if column}}
    return found | {f"report.by ({name})": name for name in by}


def read(
    task: Task, data: DataConfig, split: str, by: tuple[str, ...], facts: Facts, split_column: str | None = None
) -> tuple[Examples, list[str] | None]:
    """Read one table; with `split_column` also give each example's split name."""
    source = getattr(data, split)
    optional = optional_columns(data, split)
    columns = columns_of(task, data, split, by)
    spared = spared_columns(task, split)
    table, folder = open_table(task, source, key=f"data.{split}", columns=columns, optional=optional, any_of=spared)
    examples, problems = read_examples(
        task,
        data,
        table,
        table_name(source),
        labelled=split != "unlabelled",
        by=() if learned_only(data, split) else by,
        folder=folder,
    )
    if data.on_error == "stop":
        problems.stop()
    facts.rejected += [(split, problem) for problem in problems.in_order()]
    facts.tables[split] = {
        "name": table_name(source),
        "rows": table.height,
        "rejected": len(problems.rows),
        "sha256": facts.sha256[split],
        **_contents(examples),
    }
    if split_column is None:
        return examples, None
    names = _texts(table, split_column)
    return examples, [names[row - 1] for row in examples.rows]


def open_table(
    task: Task,
    source: Any,
    *,
    key: str,
    columns: Mapping[str, str] | None,
    optional: Iterable[str] = (),
    any_of: Iterable[tuple[str, ...]] = (),
) -> tuple[pl.DataFrame, Path | None]:
    """The table that a task makes of `source`, as `read_table` reads it, and the folder of its file."""
    table = task.tabulate(source, key)
    folder = Path(table).expanduser().parent if isinstance(table, str | Path) else None
    called = table_name(source)
    return read_table(table, key=key, columns=columns, optional=optional, any_of=any_of, called=called), folder


def read_examples(
    task: Task,
    data: DataConfig,
    table: pl.DataFrame,
    name: str,
    *,
    labelled: bool,
    by: tuple[str, ...] = (),
    folder: Path | None = None,
) -> tuple[Examples, Problems]:
    """A table's usable rows as examples, with patients, sites and `by` columns, and the problems of the others."""
    problems = Problems(name)
    examples = task.examples(table, problems, labelled=labelled, folder=folder)
    owners = {what: _owners(table, what, getattr(data, what), problems, labelled) for what in ("group", "site")}
    examples.groups, examples.sites = owners["group"], owners["site"]
    examples.by = {column: _texts(table, column) for column in by if column in table.columns}
    bad = problems.rows
    return (examples.take(np.flatnonzero(~np.isin(examples.rows, sorted(bad)))) if bad else examples), problems


def _contents(examples: Examples) -> dict[str, str]:
    """A SHA-256 of the images and one of the signals of the rows, in order: the table's own covers no files."""
    values = [value for column in (*examples.inputs.values(), examples.masks or []) for value in column]
    found = {
        "images_sha256": [value.digest for value in values if isinstance(value, StoredImage)],
        "signals_sha256": [value.digest for value in values if isinstance(value, Signal)],
    }
    return {name: hashlib.sha256(b"".join(digests)).hexdigest() for name, digests in found.items() if digests}


def _owners(table: pl.DataFrame, what: str, name: str | None, problems: Problems, labelled: bool) -> list[str] | None:
    """Who each row belongs to; a table to predict on need not say it, a labelled one must in every row."""
    if name is None or name not in table.columns:
        return None
    found = cells.texts(table[name], f"data.{what}")
    if labelled:
        cells.refuse(problems, found.is_null(), name, f"the {what} is empty")
    return found.fill_null("").to_list()


def _texts(table: pl.DataFrame, column: str) -> list[str]:
    return cells.texts(table[column], f"the column {column}").fill_null("").to_list()
