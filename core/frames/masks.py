"""Predicted masks as tables: what was found in each image and where, and how well it overlaps the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.data.targets import Target
from medplug.core.segmentation.overlap import MEASURES
from medplug.core.segmentation.regions import Region
from medplug.core.task import Examples

if TYPE_CHECKING:
    import polars as pl


def regions_frame(target: Target, columns: dict[str, Any], found: Sequence[Sequence[Region]]) -> pl.DataFrame:
    """`columns`, then `prediction` (the classes found) and `regions`, largest first, each a record.

    A region's `left`, `top`, `width`, `height`, `x` and `y` (its centre) and
    `pixels` count pixels of the image as it was read; `share` is of its area.
    """
    import polars as pl

    whole = ("left", "top", "width", "height", "pixels")
    fields = {"class": pl.String, **dict.fromkeys(whole, pl.Int64)}
    fields |= dict.fromkeys(("x", "y", "share", "probability"), pl.Float64)
    told = [[_record(target, region) for region in each] for each in found]
    names = [list(dict.fromkeys(target.classes[region.label - 1] for region in each)) for each in found]
    return pl.DataFrame(columns).with_columns(
        pl.Series("prediction", names, dtype=pl.List(pl.String)),
        pl.Series("regions", told, dtype=pl.List(pl.Struct(fields))),
    )


def _record(target: Target, region: Region) -> dict[str, Any]:
    left, top, width, height = region.box
    box = {"left": left, "top": top, "width": width, "height": height, "pixels": region.pixels}
    place = {"x": region.centre[0], "y": region.centre[1], "share": region.share, "probability": region.probability}
    return {"class": target.classes[region.label - 1], **box, **place}


def overlap_frame(target: Target, split: str, examples: Examples, table: NDArray[np.float64]) -> pl.DataFrame:
    """Of each row of a split, by number: the classes its true mask shows and each class's overlaps."""
    import polars as pl

    frame = pl.DataFrame(
        {"split": [split] * len(examples), "row": examples.rows, "truth": [list(label) for label in _labels(examples)]},
        schema_overrides={"truth": pl.List(pl.String)},
    )
    shares = [
        pl.Series(f"{measure}_{name}", table[:, place, column], nan_to_null=True)
        for place, name in enumerate(target.classes)
        for column, measure in enumerate(MEASURES)
    ]
    return frame.with_columns(shares)


def _labels(examples: Examples) -> Iterable[Sequence[str]]:
    return examples.labels or []
