"""Explanations as files (a page, JSON, a table) and as lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from medplug.core.data.output import write_by_ending
from medplug.core.explaining.attribution import Attribution

ENDINGS = (".html", ".json", ".parquet")
_TOLD = 5
"""Units that the terminal tells of."""


def write(found: Sequence[Attribution], file: Path, title: str, *, numeric: bool) -> None:
    """Write by the file's ending: a page, all attributions as JSON, or a table of one row a unit."""
    writers: dict[str, Callable[[Path], object]] = {
        ".html": lambda to: to.write_text(page(found, title, numeric=numeric), encoding="utf-8"),
        ".json": lambda to: to.write_text(
            json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=1), encoding="utf-8"
        ),
        ".parquet": lambda to: frame(found).write_parquet(to),
    }
    write_by_ending(file, writers)


def page(found: Sequence[Attribution], title: str, *, numeric: bool) -> str:
    """A page that is whole in itself; `numeric` says that what is predicted is a number."""
    from medplug.core.report.language import say
    from medplug.core.report.page import Page
    from medplug.core.report.sections.explanations import rows_explained

    section = rows_explained(found, numeric=numeric)
    shown = any(each.shows for each in found)
    footer = (
        say("This page holds what rows say: treat it as you treat them.")
        if shown
        else say("This page holds scores and no row's content.")
    )
    below = say("What in these rows spoke for what was predicted of them.")
    return Page(title, below, [] if section is None else [section], footer).html()


def frame(found: Sequence[Attribution]) -> pl.DataFrame:
    """One row a unit: whose it is, its number (from 1), name, place in the text, and score.

    Of a map `unit_number` counts its cells slice by slice and row by row.
    """
    schema = {
        "row": pl.Int64,
        "slot": pl.String,
        "method": pl.String,
        "predicted": pl.String,
        "unit": pl.String,
        "unit_number": pl.Int64,
        "name": pl.String,
        "start": pl.Int64,
        "end": pl.Int64,
        "score": pl.Float64,
    }
    return pl.concat([pl.DataFrame(schema=schema), *(_units(each, schema) for each in found)])


def _units(each: Attribution, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    scores = each.scores.ravel()
    names = each.names or each.content.words or (None,) * len(scores)
    start, end = (None, None) if each.places is None else each.places.T
    columns = {
        "row": [each.row] * len(scores),
        "slot": [each.slot] * len(scores),
        "method": [each.method] * len(scores),
        "predicted": [each.predicted] * len(scores),
        "unit": [each.unit] * len(scores),
        "unit_number": np.arange(1, len(scores) + 1),
        "name": list(names),
        "start": [None] * len(scores) if start is None else start,
        "end": [None] * len(scores) if end is None else end,
        "score": scores,
    }
    return pl.DataFrame(columns, schema=schema)


def lines(found: Sequence[Attribution]) -> list[str]:
    """Each explanation's strongest units, and the check with random weights."""
    told = []
    for each in found:
        of = f", {each.slot}" if each.slot else ""
        told.append(f"row {each.row}{of}: {each.predicted} ({each.method.replace('_', ' ')})")
        flat = each.scores.ravel()
        for place in np.argsort(-np.abs(flat), kind="stable")[:_TOLD].tolist():
            told.append(f"  {flat[place]:+.4f}  {_called(each, place)}")
        if each.total is not None:
            told.append(f"  {flat.sum():+.4f}  all {flat.size}, of {each.total:+.4f}: {_shared_out(each)}")
        if each.sanity is not None:
            told.append(f"  rank correlation with random weights {each.sanity:+.2f}")
    likeness = [each.sanity for each in found if each.sanity is not None]
    if likeness:
        mean = float(np.mean(likeness))
        told.append(
            f"check with random weights: mean rank correlation {mean:+.2f} (1: the same, the model is not explained)"
        )
    return told


def _shared_out(each: Attribution) -> str:
    usual = each.method == "shapley_values" and each.unit != "segment"
    return (
        f"this row's prediction less {'the usual one in this table' if usual else 'that of an input that says nothing'}"
    )


def _called(each: Attribution, place: int) -> str:
    if each.unit == "pixel":
        frame, row, column = (int(i) + 1 for i in np.unravel_index(place, each.scores.shape))
        return f"cell row {row}, column {column}" + (f" of slice {frame}" if len(each.scores) > 1 else "")
    if each.names:
        return each.names[place]
    word = f" {each.content.words[place]!r}" if each.content.words else ""
    where = "" if each.places is None else f" (characters {each.places[place, 0] + 1}-{each.places[place, 1]})"
    return f"{each.unit} {place + 1}{word}{where}"
