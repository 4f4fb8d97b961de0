"""A screening from beginning to end: the few are encoded, the library streams by, and the best are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.entities import distinct
from medplug.core.data.tables import table_name
from medplug.core.errors import DataError, UsageError
from medplug.core.features import Features
from medplug.core.joint.backbone import JointBackbone
from medplug.core.screening.best import Best, Entry
from medplug.core.screening.entities import Chunk, SetAside, read_chunk, read_chunks
from medplug.core.screening.options import Screen
from medplug.core.screening.scoring import Scorer, scorers_of
from medplug.core.screening.sides import Screened, Side, open_side
from medplug.core.screening.spread import Draws
from medplug.core.training.compute import Report

if TYPE_CHECKING:
    from medplug.core.predictor import Predictor

_REASONS = 5
_BLOCK = 16
"""Of the few, how many have their draws in memory at once."""
_NO_DROPOUT = "no std: this model has no dropout; an ensemble (train.members, or more runs by --with) tells a spread"
Run = Sequence[Scorer]
"""The models of one run."""
_SKIP = 'on_error="skip" (on the command line: --on-error skip)'


@dataclass(frozen=True, slots=True)
class Screening:
    """What a screening found: the ranked `frame`, how many were `scored`, what was set aside, and what `std` means."""

    frame: pl.DataFrame
    scored: int
    set_aside: tuple[SetAside, ...]
    spread: str


def screen(predictors: Sequence[Predictor], library: Any, against: Any, how: Screen, report: Report) -> Screening:
    """Score every entity of `library` against each of `against`, both files or tables, and rank the best of each.

    The frame has a row for each that is kept: `rank` (1 the best), the names of
    both, its `row` in the library (first data row = 1), the entity as it was scored, the
    score and, where it is known, `std`. With several models the score is the
    mean of theirs, as in Lakshminarayanan et al., Simple and Scalable
    Predictive Uncertainty Estimation using Deep Ensembles (NeurIPS 2017).

    Raises `UsageError` where the models cannot screen or do not fit each other,
    `DataError` for what cannot be read, and `RowsError` for the first bad rows, but with ``on_error="skip"``.
    """
    sides = sides_of(predictors)
    few = _Few.read(sides.against, against, how)
    runs = [scorers_of(each, (sides.library.slot, sides.against.slot)) for each in predictors]
    best, aside, scored = _stream(runs, few, sides.library, library, how, report)
    if not scored:
        raise _none_left(aside)
    spread = _with_spread([scorer for run in runs for scorer in run], few, best, how)
    frame = _frame(predictors[0], sides, few, best)
    return Screening(frame, scored, tuple(each for each in (few.aside, aside) if each.count), spread)


def sides_of(predictors: Sequence[Predictor]) -> Screened:
    """The two sides of the models; `UsageError` where their task screens nothing, or they differ."""
    first, *others = predictors
    sides = first.task.screening()
    if sides is None or not isinstance(first.model.backbone, JointBackbone):
        raise UsageError(
            f"the task {first.task_name} scores rows and not pairs of entities: there is nothing to screen against\n"
            "leave out --against; it is for models of tasks whose rows are pairs of entities"
        )
    if first.target.kind not in ("binary", "regression"):
        raise UsageError(
            f"a screening ranks by a number or one class; this model predicts a {first.target.kind} target"
        )
    for other in others:
        same = other.task_name == first.task_name and other.target.kind == first.target.kind
        if not (same and other.target.classes == first.target.classes):
            raise UsageError(
                "the runs of an ensemble must predict the same: "
                f"{_predicts(first)} is not {_predicts(other)}; train them with the same task, label and unit"
            )
    return sides


def _predicts(predictor: Predictor) -> str:
    return f"{predictor.task_name} ({predictor.target.kind}: {', '.join(predictor.target.classes)})"


@dataclass(frozen=True, slots=True)
class _Few:
    """Those that a library is scored against: the distinct values, and of each name which value it has."""

    values: list[Any]
    names: list[str]
    of: NDArray[np.int64]
    aside: SetAside

    @classmethod
    def read(cls, side: Side, source: Any, how: Screen) -> _Few:
        opened, frames = open_side(side, source, how.chunk, "against")
        aside, first = SetAside(table_name(source)), 1
        values: list[Any] = []
        names: list[str] = []
        for frame in frames:
            chunk = _usable(read_chunk(opened, frame, first, aside.table), aside, how)
            values += chunk.values
            names += [
                name or str(row) for name, row in zip(chunk.names or [""] * len(chunk.rows), chunk.rows, strict=True)
            ]
            first += frame.height
        if not values:
            raise DataError(f"against ({aside.table}): it has no row to score against\ngive at least one")
        _refuse_repeats(names, aside.table)
        once, at = distinct(values)
        return cls(once, names, at, aside)


def _refuse_repeats(names: Sequence[str], table: str) -> None:
    once, at = distinct(names)
    if len(once) < len(names):
        again = [i + 1 for i in range(len(at)) if at[i] in at[:i]]
        shown = ", ".join(map(str, again[:20]))
        raise DataError(
            f"against ({table}): {len(again)} name(s) stand there more than once (the repeats are number {shown})\n"
            "give each a name of its own"
        )


def _none_left(aside: SetAside) -> DataError:
    """The error for a library of which no row is left, with the first of the reasons."""
    told = "".join(f"\n  row {each.row}, column {each.column}: {each.reason}" for each in aside.shown[:_REASONS])
    bad = f": all {aside.count} are bad, the first of them:{told}" if aside.count else ""
    return DataError(f"INPUT ({aside.table}): it has no row that can be scored{bad}\ngive a library with rows")


def _usable(chunk: Chunk, aside: SetAside, how: Screen) -> Chunk:
    if how.on_error == "stop":
        chunk.problems.stop(_SKIP)
    aside.add(chunk.problems)
    return chunk


def _stream(
    runs: Sequence[Run], few: _Few, side: Side, library: Any, how: Screen, report: Report
) -> tuple[list[Best], SetAside, int]:
    """The best of the library for each of the few, what was set aside, and how many were scored."""
    others = [_encoded(run, few.values) for run in runs]
    best = [Best(how.top, lowest=how.lowest) for _ in few.names]
    aside, scored = SetAside(table_name(library)), 0
    opened, frames = open_side(side, library, how.chunk, "INPUT")
    for read in read_chunks(opened, frames, aside.table, how.workers):
        chunk = _usable(read, aside, how)
        if chunk.values:
            _add(best, few, chunk, runs, others)
        scored += len(chunk.values)
        report(scored + aside.count, 0)
    return best, aside, scored


def _encoded(run: Run, values: Sequence[Any]) -> list[list[Features]]:
    """The features of each of the few in each model of a run, which prepares them once."""
    slot = run[0].against
    items = run[0].part(slot).prepare(values)
    return [scorer.each(slot, items) for scorer in run]


def _add(best: list[Best], few: _Few, chunk: Chunk, runs: Sequence[Run], others: Sequence[Any]) -> None:
    once, at = distinct(chunk.values)
    found = np.concatenate([_scores(run, once, facing) for run, facing in zip(runs, others, strict=True)])
    mean = found.mean(axis=0)
    spread = found.std(axis=0) if len(found) > 1 else np.full_like(mean, np.nan)
    names = chunk.names or [""] * len(chunk.rows)
    entries = [Entry(*each) for each in zip(chunk.rows, names, chunk.values, strict=True)]
    for place, each in zip(few.of.tolist(), best, strict=True):
        each.add(mean[at, place], spread[at, place], entries)


def _scores(run: Run, values: Sequence[Any], others: Sequence[Sequence[Features]]) -> NDArray[np.float64]:
    """The scores ``[models, values, others]`` of a run; each value is prepared once, and encoded once a model."""
    slot = run[0].library
    items = run[0].part(slot).prepare(values)
    found = np.empty((len(run), len(values), len(others[0])))
    for batch in run[0].batches(slot, items):
        some = [items[i] for i in batch]
        for scorer, facing, own in zip(run, others, found, strict=True):
            features = scorer.features(slot, some)
            for place, other in enumerate(facing):
                own[batch, place] = scorer.scores(features, other)
    return found


def _with_spread(scorers: Sequence[Scorer], few: _Few, best: Sequence[Best], how: Screen) -> str:
    """Give what is kept its spread by draws of dropout, where these are asked for; and say what stands there."""
    number, models = how.draws_of(len(scorers)), len(scorers)
    ensemble = f"std is the standard deviation over {models} models" if models > 1 else ""
    if not number:
        return ensemble
    draws = Draws(scorers, number, how.seed)
    for start in range(0, len(best), _BLOCK):
        some = best[start : start + _BLOCK]
        others = [few.values[place] for place in few.of[start : start + _BLOCK]]
        spreads = draws.spread([[entry.value for entry in each.entries] for each in some], others)
        if spreads is None:
            return ensemble or _NO_DROPOUT
        for each, spread in zip(some, spreads, strict=True):
            each.stds = spread
    over = f" of each of {models} models" if models > 1 else ""
    return f"std is the standard deviation over {number} draws of dropout{over}"


def _frame(predictor: Predictor, sides: Screened, few: _Few, best: Sequence[Best]) -> pl.DataFrame:
    """One row for each that is kept, the few in their order."""
    target, library = predictor.target, sides.library
    entries = [entry for each in best for entry in each.entries]
    columns = {
        "rank": [rank for each in best for rank in range(1, len(each.entries) + 1)],
        sides.against.slot: [name for name, each in zip(few.names, best, strict=True) for _ in each.entries],
        library.slot: [entry.name or None for entry in entries],
        "row": [entry.row for entry in entries],
        library.key.rpartition(".")[2]: [entry.value for entry in entries],
        f"p_{target.classes[1]}" if target.kind == "binary" else "prediction": np.concatenate([e.scores for e in best]),
        "std": np.concatenate([each.stds for each in best]),
    }
    frame = pl.DataFrame(columns, schema_overrides={library.slot: pl.String})
    unknown = [name for name in (library.slot, "std") if _nothing(frame[name])]
    return frame.drop(unknown)


def _nothing(column: pl.Series) -> bool:
    return bool(column.is_null().all() if column.dtype == pl.String else column.is_nan().all())
