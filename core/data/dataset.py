"""From a plan's tables to labelled, split, checked examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.config import DataConfig
from medplug.core.contracts import Examples, Task
from medplug.core.data import cells, leakage
from medplug.core.data.problems import Problem, Problems
from medplug.core.data.splits import limit_rows, named_splits, split_rows
from medplug.core.data.tables import fingerprint, read_table, table_name
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError

SPLITS = ("train", "validation", "test")
MOST_SUBGROUPS = 50


@dataclass(slots=True)
class Facts:
    """What was read and what was done to it; the report and the manifest tell it."""

    sample: bool = False
    sha256: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: list[tuple[str, Problem]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    leaks: list[leakage.Leak] = field(default_factory=list)
    split_by: str = ""


@dataclass(slots=True)
class Dataset:
    """Examples and encoded labels by split, and the target learned from the training labels."""

    splits: dict[str, Examples]
    labels: dict[str, NDArray[np.int64]]
    target: Target
    facts: Facts


def fingerprints(task: Task, data: DataConfig, by: tuple[str, ...]) -> dict[str, str]:
    """Each given table's SHA-256, by its split; `DataError` where a table cannot be read."""
    given = {name: getattr(data, name) for name in SPLITS}
    return {
        name: fingerprint(table, key=f"data.{name}", columns=_columns(task, data, name, by))
        for name, table in given.items()
        if table is not None
    }


def _columns(task: Task, data: DataConfig, split: str, by: tuple[str, ...]) -> dict[str, str]:
    """The columns to read of a table: configuration key -> column."""
    extra = {"data.group": data.group, "data.site": data.site}
    if split == "train":
        extra["data.split_column"] = data.split_column
    columns = {**task.columns(labelled=True), **{key: column for key, column in extra.items() if column}}
    return columns | {f"report.by ({name})": name for name in by}


def load_dataset(
    task: Task, data: DataConfig, *, by: tuple[str, ...], seed: int, sample: bool, sha256: Mapping[str, str]
) -> Dataset:
    """Read, check, split and encode; `DataError` or `RowsError` name what is wrong.

    `by` are further columns to carry along for the report, `sha256` the tables'
    `fingerprints`.
    """
    facts = Facts(sample=sample, sha256=dict(sha256))
    splits = _read_splits(task, data, by, seed, facts)
    for name in SPLITS:
        if not len(splits[name]):
            raise DataError(f"the {name} split has no rows; look at data.split, data.split_column or data.{name}")
    if data.limit is not None:
        splits = {name: _limited(examples, name, data.limit, seed) for name, examples in splits.items()}
    splits["train"], done = task.tidy(splits["train"])
    facts.counts.update(done)
    target = task.target(splits["train"].labels or [])
    for name in ("validation", "test"):
        splits[name] = _known_labels(splits[name], target, name, data, facts)
    _check_subgroups(splits["test"])
    facts.leaks = leakage.check(splits)
    labels = {name: target.encode(examples.labels or []) for name, examples in splits.items()}
    return Dataset(splits, labels, target, facts)


def _read_splits(task: Task, data: DataConfig, by: tuple[str, ...], seed: int, facts: Facts) -> dict[str, Examples]:
    train, names = _read(task, data, "train", by, facts, split_column=data.split_column)
    if len(train):
        task.target(train.labels or [])  # refuses a column that cannot be a label before anything is cut by it
    if names is not None:
        facts.split_by = f"the column {data.split_column}"
        where = named_splits(names, key="data.split_column")
        return {name: train.take(np.flatnonzero(where == name)) for name in SPLITS}
    given = {
        name: _read(task, data, name, by, facts)[0]
        for name in ("validation", "test")
        if getattr(data, name) is not None
    }
    return {**_cut(train, data, seed, facts, given), **given}


def _cut(
    train: Examples, data: DataConfig, seed: int, facts: Facts, given: Mapping[str, Examples]
) -> dict[str, Examples]:
    """Cut the splits that have no table of their own off the training table."""
    shares = [share if name not in given else 0.0 for name, share in zip(SPLITS, data.fractions, strict=True)]
    if set(given) == {"validation", "test"}:
        facts.split_by = "tables of their own"
        return {"train": train}
    total = sum(shares)
    fractions = (shares[0] / total, shares[1] / total, shares[2] / total)
    groups = train.groups if data.split != "random" else None
    where = split_rows(train.labels or [], groups=groups, fractions=fractions, seed=seed)
    unit = f"the column {data.group}" if groups is not None else "row"
    facts.split_by = f"{unit}, stratified by label, seed {seed}"
    return {name: train.take(np.flatnonzero(where == name)) for name in SPLITS if name not in given}


def _read(
    task: Task, data: DataConfig, split: str, by: tuple[str, ...], facts: Facts, split_column: str | None = None
) -> tuple[Examples, list[str] | None]:
    """Read one table; with `split_column` also give each example's split name."""
    key = f"data.{split}"
    source = getattr(data, split)
    columns = _columns(task, data, split, by)
    table = read_table(source, key=key, columns=columns)
    examples, problems = read_examples(task, data, table, table_name(source), labelled=True, by=by)
    if data.on_error == "stop":
        problems.stop()
    facts.rejected += [(split, problem) for problem in problems.found]
    facts.tables[split] = {
        "name": table_name(source),
        "rows": table.height,
        "rejected": len(problems.rows),
        "sha256": facts.sha256[split],
    }
    if split_column is None:
        return examples, None
    names = _texts(table, split_column)
    return examples, [names[row - 1] for row in examples.rows]


def read_examples(
    task: Task, data: DataConfig, table: pl.DataFrame, name: str, *, labelled: bool, by: tuple[str, ...] = ()
) -> tuple[Examples, Problems]:
    """A table's usable rows as examples, with patients, sites and `by` columns, and the problems of the others."""
    problems = Problems(name)
    examples = task.examples(table, problems, labelled=labelled)
    owners = {what: _owners(table, what, getattr(data, what), problems, labelled) for what in ("group", "site")}
    examples.groups, examples.sites = owners["group"], owners["site"]
    examples.by = {column: _texts(table, column) for column in by if column in table.columns}
    bad = problems.rows
    return (examples.take(np.flatnonzero(~np.isin(examples.rows, sorted(bad)))) if bad else examples), problems


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


def _limited(examples: Examples, split: str, per_class: int, seed: int) -> Examples:
    """At most `per_class` rows a class to learn from, and as many to choose by; the test split stays whole."""
    if split == "test":
        return examples
    return examples.take(limit_rows(examples.labels or [], per_class, seed))


def _check_subgroups(test: Examples) -> None:
    """Refuse a column of too many values before hours of training go into its report."""
    for column, values in {
        "data.site": test.sites or [],
        **{f"report.by ({k})": v for k, v in test.by.items()},
    }.items():
        if len(set(values)) > MOST_SUBGROUPS:
            raise DataError(
                f"{column}: the test split has {len(set(values))} different values there, more than {MOST_SUBGROUPS}; "
                "name a column of few values (patients go to data.group)"
            )


def _known_labels(examples: Examples, target: Target, split: str, data: DataConfig, facts: Facts) -> Examples:
    """Refuse (or set aside) rows whose label the training split does not have."""
    unknown = target.unknown(examples.labels or [])
    if not unknown:
        return examples
    rows = examples.rows[unknown].tolist()
    if data.on_error == "stop":
        listed = ", ".join(map(str, rows[:20])) + (", ..." if len(rows) > 20 else "")
        raise DataError(
            f"{len(rows)} row(s) of the {split} split have a label that the training split lacks "
            f"(row numbers in their table: {listed}{_names(examples, unknown)})\n"
            f"the training labels are: {_some(target.classes)}\n"
            "add such rows to training, correct the label column, or set them aside with: data.on_error=skip"
        )
    facts.rejected += [(split, Problem(row, "label", "the training split lacks this label")) for row in rows]
    return examples.take(np.setdiff1d(np.arange(len(examples)), unknown))


def _names(examples: Examples, unknown: list[int]) -> str:
    """The unknown labels themselves, where they look like class names and not like text about a patient."""
    labels = {str(label) for label in (examples.labels[i] for i in unknown)} if examples.labels else set()
    short = sorted(label for label in labels if len(label) <= 40)
    return f"; labels: {_some(tuple(short))}" if short and len(short) == len(labels) <= 10 else ""


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def require_training_table(data: DataConfig) -> None:
    """Refuse a validation or test table without a training one."""
    for name in ("validation", "test"):
        if data.train is None and getattr(data, name) is not None:
            raise ConfigError(f"data.{name} is given without data.train; give the training table too")
