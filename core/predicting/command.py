"""Predictions as the command line asks for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medplug.core.api import load
from medplug.core.terminal import counting

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 20
"""Problems of rows that are told one by one."""


def predict_file(
    folder: Path, table: Path, *, masks: Path | None, on_error: str, device: str, root: Path | None
) -> tuple[pl.DataFrame, list[str]]:
    """The predictions of a finished run for a table, and what there is to say: how it read, which rows it set aside.

    Raises as `Predictor.predict_with_problems` does.
    """
    predictor = load(folder, device=device, root=root)
    predictor.check_masks(masks)
    examples, faults = predictor.unlabelled(table, on_error=on_error)
    problems, known = faults.in_order(), predictor.seen(examples)
    with counting(sys.stderr, "predicting") as report:
        frame = predictor.predicted(examples, report=report, masks=masks)
    reading = predictor.model.backbone.reading()
    told = [f"the network was given: {reading}"] if reading else []
    if problems:
        told.append(f"{len({each.row for each in problems})} row(s) set aside:")
        told += [f"  row {each.row}, column {each.column}: {each.reason}" for each in problems[:_SHOWN]]
    return frame, told + ([] if known is None else known.told())
