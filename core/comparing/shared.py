"""The test rows that runs share: found by table and row number, and held against each other by their truths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from medplug.core.comparing.finished import Finished
from medplug.core.data.tables import IN_MEMORY
from medplug.core.errors import UsageError

_TRUTHS = ("truth", "event", "treatment")
_SHOWN = 10
_KEY = ("row", "nth")


@dataclass(frozen=True, slots=True)
class Shared:
    """The rows that all runs were tested on: a table a run, the same rows in the same order.

    `groups` numbers who each row belongs to, as the run `grouped_by` knows it;
    None where no run does. `by_number`: the rows are matched by their numbers in tables that were given in memory
    with different columns, so that only their truths say that they are the same. `checked` is False where the
    runs keep no truths to hold against each other.
    """

    rows: tuple[pl.DataFrame, ...]
    groups: pl.Series | None
    grouped_by: str | None
    by_number: bool
    checked: bool

    def __len__(self) -> int:
        return self.rows[0].height


def shared_rows(runs: Sequence[Finished]) -> Shared:
    """The test rows of all of `runs`; `UsageError` where they cannot be held against each other, and why."""
    first, *others = runs
    for other in others:
        _check_targets(first, other)
    by_number = [_check_tables(first, other) for other in others]
    rows = _common(runs)
    checked = [_check_truths(first, rows[0], other, own) for other, own in zip(others, rows[1:], strict=True)]
    known = next((i for i, own in enumerate(rows) if "group" in own.columns and not own["group"].has_nulls()), None)
    groups = None if known is None else rows[known]["group"]
    by = None if known is None else runs[known].name
    return Shared(tuple(rows), groups, by, any(by_number), all(checked))


def _check_targets(first: Finished, other: Finished) -> None:
    """Refuse targets whose scores have no common meaning."""
    mine, theirs = first.target, other.target
    same_classes = mine.classes == theirs.classes or not (mine.has_classes or mine.kind == "treatment")
    same_outcomes = (mine.outcomes[-1:], mine.higher_is_better) == (theirs.outcomes[-1:], theirs.higher_is_better)
    if mine.kind == theirs.kind and same_classes and same_outcomes:
        return
    raise UsageError(
        "these runs predict different things and cannot be compared:\n"
        f"{_target_told(first)}\n{_target_told(other)}\ncompare runs of one target and the same classes"
    )


def _target_told(run: Finished) -> str:
    target = run.target
    names = (*target.classes, *target.outcomes) if target.has_classes or target.kind == "treatment" else ()
    some = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"  {run.name} (task {run.task}): a {target.kind} target" + (f" of {some}" if some else "")


def _check_tables(first: Finished, other: Finished) -> bool:
    """Refuse runs tested on different tables; True where only numbers and truths say that the tables are the same.

    A table in memory is known by the columns that a run reads, so that two runs that read others of the same
    frame know it by different digests.
    """
    (key, mine), (other_key, theirs) = first.table, other.table
    if mine["sha256"] == theirs["sha256"]:
        return False
    if mine["name"] == theirs["name"] == IN_MEMORY and mine["rows"] == theirs["rows"]:
        return True
    raise UsageError(
        "these runs were tested on rows of different tables, which cannot be paired:\n"
        f"{_table_told(first, key)}\n{_table_told(other, other_key)}\n"
        "give both runs the same data.test (or the same data.train and seed) and train again, or score one of them "
        f"on the other's table: medplug evaluate {other.folder} TABLE"
    )


def _table_told(run: Finished, key: str) -> str:
    table = run.table[1]
    rows, digest = f"{table['rows']:,} rows", str(table["sha256"])[:12]
    return f"  {run.name} (task {run.task}): data.{key}={table['name']} ({rows}, SHA-256 {digest}...)"


def _common(runs: Sequence[Finished]) -> list[pl.DataFrame]:
    """Each run's rows that all have, in the order of their numbers; a number that recurs is told apart by how often."""
    numbered = [run.rows.with_columns(nth=pl.col("row").cum_count().over("row")) for run in runs]
    keys = numbered[0].select(_KEY)
    for each in numbered[1:]:
        keys = keys.join(each.select(_KEY), on=_KEY, how="semi")
    if not keys.height:
        told = ", ".join(f"{run.name} {run.rows.height:,}" for run in runs)
        raise UsageError(
            f"these runs have no test row in common (test rows: {told}): they cut the same table into other splits; "
            "give them the same seed and data.split, a data.split_column, or one data.test"
        )
    return [each.join(keys, on=_KEY, how="semi").sort(_KEY) for each in numbered]


def _check_truths(first: Finished, mine: pl.DataFrame, other: Finished, theirs: pl.DataFrame) -> bool:
    """Refuse runs that hold other labels of the same rows; False where there is nothing to hold against each other."""
    both = [name for name in _TRUTHS if name in mine.columns and name in theirs.columns]
    different = pl.Series([False] * mine.height)
    for name in both:
        different |= _comparable(mine[name]).ne_missing(_comparable(theirs[name]))
    if different.any():
        raise UsageError(
            f"{int(different.sum()):,} of the {mine.height:,} test rows that {first.name} and {other.name} share have "
            f"another label in {other.name}: the runs were given other labels (data.label, task.*) or other tables, "
            "and cannot be compared"
        )
    return bool(both)


def _comparable(truth: pl.Series) -> pl.Series:
    """Values that are equal where labels are; of several classes in any order."""
    if truth.dtype == pl.List(pl.String):
        return truth.list.sort().list.join("\0")
    return pl.Series(map(repr, truth.to_list())) if isinstance(truth.dtype, pl.List) else truth
