"""Columns that stand beside predictions: times that rows outlive, further targets, the weights of modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.evaluation.survival import median_times, outliving
from medplug.core.training.job import Trained


def outliving_columns(target: Target, risks: NDArray[np.float64]) -> list[pl.Series]:
    """What a baseline hazard says of rows with these log hazards ``[rows]``; nothing where the target has none."""
    if not target.hazard:
        return []
    quarters = np.quantile([time for time, _ in target.hazard], [0.25, 0.5, 0.75])
    named = {f"s_{time:.3g}": float(f"{time:.3g}") for time in quarters}
    chances = outliving(target.hazard, risks, np.array([*named.values()]))
    medians = pl.Series("median_time", median_times(target.hazard, risks), dtype=pl.Float64).fill_nan(None)
    return [medians, *(pl.Series(name, chances[:, i], dtype=pl.Float64) for i, name in enumerate(named))]


def set_columns(target: Target, probabilities: NDArray[np.float64]) -> list[pl.Series]:
    """``set``, the classes that hold the truth as often as was asked for, and ``abstain``: whether they are not one.

    Nothing where the target has no such sets.
    """
    if target.conformal is None:
        return []
    inside = target.conformal.sets(probabilities)
    named = [[name for name, there in zip(target.classes, row, strict=True) if there] for row in inside.tolist()]
    return [pl.Series("set", named, dtype=pl.List(pl.String)), pl.Series("abstain", inside.sum(axis=1) != 1)]


def bound_columns(target: Target, predicted: NDArray[np.float64]) -> list[pl.Series]:
    """``low`` and ``high``, between which the truth is as often as was asked for; nothing where there are no such."""
    if target.conformal is None:
        return []
    bounds = zip(("low", "high"), target.conformal.interval(predicted), strict=True)
    return [pl.Series(name, values, dtype=pl.Float64) for name, values in bounds]


def also_columns(targets: Mapping[str, Target], logits: Sequence[NDArray[np.float32]]) -> list[pl.Series]:
    """A column ``also_NAME`` of decisions for each further target: texts, lists of texts, or numbers."""
    found = []
    for (name, target), own in zip(targets.items(), logits, strict=True):
        decided = target.decode(target.decide(target.probabilities(own)))
        kind = pl.Float64 if not target.has_classes else pl.List(pl.String) if target.several else pl.String
        found.append(pl.Series(f"also_{name}", [list(d) if isinstance(d, tuple) else d for d in decided], dtype=kind))
    return found


def spread_column(target: Target, probabilities: NDArray[np.float64], spread: NDArray[np.float64]) -> pl.Series:
    """``std``: of what members predict ``[rows, columns]`` that of the likeliest class (multilabel: the largest)."""
    one = (
        probabilities.argmax(1)[:, None]
        if target.kind in ("binary", "multiclass", "choice")
        else spread.argmax(1)[:, None]
    )
    return pl.Series("std", np.take_along_axis(spread, one, 1)[:, 0], dtype=pl.Float64)


def weight_columns(trained: Trained, split: str) -> list[pl.Expr]:
    """``weight_<slot>``, how much each modality counted for each row of a split, null where that was not asked.

    None where the fusion has no such weights.
    """
    known = split == "test"
    found = {slot: pl.Series(shares, dtype=pl.Float64) if known else None for slot, shares in trained.shares.items()}
    return [pl.lit(shares, dtype=pl.Float64).alias(f"weight_{slot}") for slot, shares in found.items()]


def with_groups(rows: pl.DataFrame, dataset: Dataset, splits: Sequence[str]) -> pl.DataFrame:
    """The rows of `splits`, one after the other, with a column ``group`` after their number where groups are known.

    It numbers patients in order of appearance, from 1, so that it says whose rows belong together and not whose they
    are; those of one split alone where another has none. Without groups the rows as they are.
    """
    parts = [dataset.splits[name] for name in splits]
    if all(part.groups is None for part in parts):
        return rows
    unknown: list[str | None] = [None]
    owners = [owner for part in parts for owner in part.groups or unknown * len(part)]
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(filter(None, owners)), start=1)}
    told = pl.Series("group", [owner and numbers[owner] for owner in owners], dtype=pl.Int64)
    return rows.insert_column(rows.columns.index("row") + 1, told)
