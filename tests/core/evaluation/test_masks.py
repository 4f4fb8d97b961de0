"""Scores of masks, held to sums written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.evaluation.masks import (
    estimate_overlaps,
    overlap_difference,
    overlaps_by_subgroup,
    overlaps_per_class,
)
from medplug.core.segmentation.overlap import MEASURES

ROWS, CLASSES = 40, 3
HOW: dict[str, Any] = {"resamples": 200, "seed": 4}


def some_table(seed: int = 0, missing: float = 0.3) -> NDArray[np.float64]:
    """Overlaps of images, a class not in an image as often as `missing` says."""
    draw = np.random.default_rng(seed)
    table = draw.random((ROWS, CLASSES, len(MEASURES)))
    table[draw.random((ROWS, CLASSES)) < missing] = np.nan
    return table


def by_sums(table: NDArray[np.float64], measure: int) -> tuple[list[float], float]:
    """The mean of each class over the images that have it, and the mean of those."""
    means = []
    for place in range(table.shape[1]):
        values = [row[place, measure] for row in table if not math.isnan(row[place, measure])]
        means.append(sum(values) / len(values) if values else math.nan)
    defined = [mean for mean in means if not math.isnan(mean)]
    return means, sum(defined) / len(defined)


@pytest.mark.parametrize("seed", range(3))
def test_a_measure_is_the_mean_over_images_of_each_class_and_then_over_classes(seed: int) -> None:
    table = some_table(seed)
    table[1:, 2] = np.nan  # a class of one image counts as much as the others
    found = estimate_overlaps(table, **HOW)
    parts = overlaps_per_class(table, {"a": 9, "b": 8, "c": 1}, **HOW)
    assert list(found) == list(MEASURES) and list(parts) == ["a", "b", "c"]
    assert [part["n"] for part in parts.values()] == [9, 8, 1]
    for column, measure in enumerate(MEASURES):
        means, overall = by_sums(table, column)
        assert found[measure].value == pytest.approx(overall)
        for mean, part in zip(means, parts.values(), strict=True):
            assert part["metrics"][measure].value == pytest.approx(mean, nan_ok=True)


def test_a_class_that_no_image_has_is_left_out_and_undefined_by_itself() -> None:
    table = some_table()
    table[:, 1] = np.nan
    found = estimate_overlaps(table, **HOW)
    expected = estimate_overlaps(table[:, [0, 2]], **HOW)
    assert found == expected
    alone = overlaps_per_class(table, {"a": 9, "b": 0, "c": 9}, **HOW)["b"]["metrics"]["dice"]
    assert alone.as_json() == {"value": None, "ci95": [None, None]}


def test_where_no_image_has_any_class_nothing_is_defined() -> None:
    found = estimate_overlaps(np.full((5, 2, 3), np.nan), **HOW)
    assert {measure: each.as_json()["value"] for measure, each in found.items()} == dict.fromkeys(MEASURES)


def test_the_order_of_images_and_classes_changes_no_value() -> None:
    table, draw = some_table(), np.random.default_rng(1)
    shuffled = table[draw.permutation(ROWS)][:, draw.permutation(CLASSES)]
    for measure, each in estimate_overlaps(table, **HOW).items():
        assert estimate_overlaps(shuffled, **HOW)[measure].value == pytest.approx(each.value)


def test_an_interval_holds_its_value_and_narrows_with_more_images() -> None:
    table = some_table()
    for measure, each in estimate_overlaps(table, **HOW).items():
        wide = each.high - each.low
        more = estimate_overlaps(np.concatenate([table] * 9), **HOW)[measure]
        assert each.low < each.value < each.high
        assert more.value == pytest.approx(each.value)
        assert more.high - more.low == pytest.approx(wide / 3, rel=0.35)


def test_images_of_one_patient_are_drawn_together() -> None:
    table = some_table(missing=0)
    alone = estimate_overlaps(table, groups=["one"] * ROWS, **HOW)["dice"]
    assert alone.low == pytest.approx(alone.value) == pytest.approx(alone.high)
    twice = np.concatenate([table, table])
    pairs = estimate_overlaps(twice, groups=[*map(str, range(ROWS))] * 2, **HOW)["dice"]
    single = estimate_overlaps(table, groups=[*map(str, range(ROWS))], **HOW)["dice"]
    assert (pairs.low, pairs.high) == (pytest.approx(single.low), pytest.approx(single.high))


def test_equal_masks_differ_by_nothing_on_any_resample() -> None:
    table = some_table()
    for each in overlap_difference(table, table, **HOW).values():
        assert (each.value, each.low, each.high) == (0, 0, 0)


def test_a_difference_is_of_the_values_and_turns_its_sign_with_its_sides() -> None:
    mine, theirs = some_table(0), some_table(1)
    there, back = overlap_difference(mine, theirs, **HOW), overlap_difference(theirs, mine, **HOW)
    for measure in MEASURES:
        values = [estimate_overlaps(each, **HOW)[measure].value for each in (mine, theirs)]
        assert there[measure].value == pytest.approx(values[0] - values[1])
        assert there[measure].value == pytest.approx(-back[measure].value)
        assert (there[measure].low, there[measure].high) == pytest.approx((-back[measure].high, -back[measure].low))


def test_a_difference_is_taken_on_the_same_resamples() -> None:
    mine = some_table()
    found = overlap_difference(mine + 0.25, mine, **HOW)
    for each in found.values():
        assert (each.value, each.low, each.high) == pytest.approx((0.25, 0.25, 0.25))


@pytest.mark.parametrize("grouped", [False, True])
def test_subgroups_are_scored_by_themselves_in_sorted_order(grouped: bool) -> None:
    table = some_table()
    sites = np.array(["west", "east", "north", "east"] * 10)
    groups = np.array([str(i // 3) for i in range(ROWS)]) if grouped else None
    parts = overlaps_by_subgroup(table, sites.tolist(), groups=groups, **HOW)
    assert list(parts) == ["east", "north", "west"]
    for site, part in parts.items():
        rows = sites == site
        assert part["n"] == rows.sum()
        assert part["metrics"] == estimate_overlaps(table[rows], groups=None if groups is None else groups[rows], **HOW)
