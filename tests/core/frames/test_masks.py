"""Predicted masks as tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medplug.core.data.output import write_table
from medplug.core.data.targets import Target
from medplug.core.frames.masks import overlap_frame, regions_frame
from medplug.core.segmentation.overlap import MEASURES, overlaps
from medplug.core.segmentation.regions import Region, regions
from medplug.core.task import Examples

TARGET = Target("mask", ("nerve", "vessel", "bone"))


def found_in(seed: int, classes: int = 4) -> list[Region]:
    draw = np.random.default_rng(seed)
    mask = np.kron(draw.choice(classes, (4, 5), p=[0.7, 0.1, 0.1, 0.1]), np.ones((3, 2))).astype(np.uint8)
    probabilities = draw.dirichlet(np.ones(4), mask.shape).transpose(2, 0, 1).astype(np.float32)
    return regions(mask, probabilities)


def test_a_row_tells_each_region_with_its_class_place_and_size() -> None:
    found = [found_in(seed) for seed in range(4)]
    frame = regions_frame(TARGET, {"row": [1, 2, 3, 4], "name": list("abcd")}, found)
    assert frame.columns == ["row", "name", "prediction", "regions"]
    assert frame["row"].to_list() == [1, 2, 3, 4]
    for told, expected in zip(frame["regions"].to_list(), found, strict=True):
        assert len(told) == len(expected) > 0
        for record, region in zip(told, expected, strict=True):
            assert record["class"] == TARGET.classes[region.label - 1]
            assert tuple(record[side] for side in ("left", "top", "width", "height")) == region.box
            assert (record["x"], record["y"]) == pytest.approx(region.centre)
            assert record["pixels"] == region.pixels
            assert record["share"] == pytest.approx(region.pixels / 120)
            assert record["probability"] == pytest.approx(region.probability)


def test_the_prediction_names_each_class_once_the_largest_region_first() -> None:
    found = [found_in(seed) for seed in range(8)]
    frame = regions_frame(TARGET, {"row": range(8)}, found)
    for names, each in zip(frame["prediction"].to_list(), found, strict=True):
        assert len(set(names)) == len(names)
        assert set(names) == {TARGET.classes[region.label - 1] for region in each}
        assert names[0] == TARGET.classes[max(each, key=lambda region: region.pixels).label - 1]


def test_types_are_the_same_whatever_was_found() -> None:
    some = regions_frame(TARGET, {"row": [1]}, [found_in(0)])
    empty = regions_frame(TARGET, {"row": [1]}, [[]])
    nothing = regions_frame(TARGET, {"row": np.array([], np.int64)}, [])
    assert some.schema == empty.schema == nothing.schema
    assert some.schema["prediction"] == pl.List(pl.String)
    assert (empty["prediction"].to_list(), empty["regions"].to_list()) == ([[]], [[]])
    assert nothing.height == 0
    assert pl.concat([some, empty, nothing]).height == 2


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_regions_are_written_and_read_again(ending: str, tmp_path: Path) -> None:
    frame = regions_frame(TARGET, {"row": [1, 2]}, [found_in(1), []])
    file = tmp_path / f"found{ending}"
    write_table(frame, file)
    if ending == ".csv":
        read = pl.read_csv(file)
        assert [json.loads(cell) for cell in read["regions"]] == frame["regions"].to_list()
        return
    read = pl.read_ndjson(file) if ending == ".jsonl" else pl.read_parquet(file)
    assert read["regions"].to_list() == frame["regions"].to_list()
    assert read["prediction"].to_list() == frame["prediction"].to_list()


# ---- overlaps


def test_overlaps_stand_by_measure_and_class_beside_the_row_and_its_true_classes() -> None:
    draw = np.random.default_rng(0)
    table = np.stack([overlaps(*draw.integers(0, 3, (2, 6, 6)).astype(np.uint8), 4) for _ in range(3)])
    examples = Examples(np.array([4, 9, 2]), {}, [("nerve",), (), ("nerve", "vessel")])
    frame = overlap_frame(TARGET, "test", examples, table)
    columns = [f"{measure}_{name}" for name in TARGET.classes for measure in MEASURES]
    assert frame.columns == ["split", "row", "truth", *columns]
    assert frame["split"].to_list() == ["test"] * 3 and frame["row"].to_list() == [4, 9, 2]
    assert frame["truth"].to_list() == [["nerve"], [], ["nerve", "vessel"]]
    for place, name in enumerate(TARGET.classes):
        for column, measure in enumerate(MEASURES):
            expected = [None if np.isnan(value) else value for value in table[:, place, column]]
            assert frame[f"{measure}_{name}"].to_list() == expected
    assert frame["dice_bone"].null_count() == 3  # a class of neither mask is missing, and not a number


def test_frames_of_all_splits_have_the_same_columns_and_types() -> None:
    full = overlap_frame(TARGET, "test", Examples(np.array([1]), {}, [("nerve",)]), np.ones((1, 3, 3)))
    bare = overlap_frame(TARGET, "validation", Examples(np.array([2]), {}, [()]), np.full((1, 3, 3), np.nan))
    assert full.schema == bare.schema and pl.concat([full, bare]).height == 2
