"""What a model says of rows as a table, and the tables that a run leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.data.dataset import Dataset
from medplug.core.data.targets import Target
from medplug.core.frames.columns import bound_columns, outliving_columns, set_columns
from medplug.core.frames.treatments import advice_frame, truth_columns
from medplug.core.task import Examples


def prediction_frame(target: Target, columns: Mapping[str, Any], probabilities: NDArray[np.float64]) -> pl.DataFrame:
    """`columns`, then decisions (multilabel: lists of names; without classes: floats) and probabilities, as a frame."""
    if target.kind == "treatment":
        return advice_frame(target, columns, probabilities)
    decided = target.decode(target.decide(probabilities))
    given = pl.DataFrame(columns).get_columns()  # one frame is made at once: a service predicts row by row
    if not target.has_classes:
        own = [pl.Series("prediction", decided, dtype=pl.Float64), *bound_columns(target, probabilities[:, 0])]
        return pl.DataFrame([*given, *own, *outliving_columns(target, probabilities[:, 0])])
    kind = pl.List(pl.String) if target.kind == "multilabel" else pl.String
    own = [pl.Series("prediction", [list(d) if isinstance(d, tuple) else d for d in decided], dtype=kind)]
    own += [pl.Series(f"p_{name}", probabilities[:, i], dtype=pl.Float64) for i, name in enumerate(target.classes)]
    return pl.DataFrame([*given, *own, *set_columns(target, probabilities)])


def truth_of(target: Target, examples: Examples) -> dict[str, Any]:
    """The labels as columns: one of them or, of times to an event, the time and whether the event came then."""
    labels = examples.labels or []
    if target.kind == "survival":
        return {"truth": [time for time, _ in labels], "event": [event for _, event in labels]}
    if target.kind == "treatment":
        return dict(truth_columns(labels))
    return {"truth": [list(label) if isinstance(label, tuple) else label for label in labels]}


def rejected(dataset: Dataset) -> pl.DataFrame | None:
    """The rows that were set aside: split, number, column and reason; None where there are none."""
    if not dataset.facts.rejected:
        return None
    rows = [(split, p.row, p.column, p.reason) for split, p in dataset.facts.rejected]
    return pl.DataFrame(rows, schema=["split", "row", "column", "reason"], orient="row")
