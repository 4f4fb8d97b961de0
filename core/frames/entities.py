"""The scores of each entity as a table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from medplug.core.data.targets import Target
from medplug.core.evaluation.entities import EntityScores


def entity_frame(target: Target, found: Sequence[EntityScores]) -> pl.DataFrame:
    """A row an entity: slot, name, number of its first test row, test rows, and each metric (null where undefined).

    Of a binary target also how many rows are positive, of a number the standard deviation of the labels.
    """
    return pl.concat([_frame(target, each) for each in found])


def _frame(target: Target, each: EntityScores) -> pl.DataFrame:
    told = {"binary": "n_positive", "regression": "spread"}.get(target.kind)
    columns = {"slot": [each.slot] * len(each.names), "entity": each.names, "row": each.first, "n": each.rows}
    frame = pl.DataFrame(columns, schema_overrides={"slot": pl.String, "entity": pl.String})
    if told is not None:
        kind = pl.Int64 if told == "n_positive" else pl.Float64
        frame = frame.with_columns(pl.Series(told, each.told).cast(kind))
    return frame.with_columns(pl.Series(name, values).fill_nan(None) for name, values in each.values.items())
