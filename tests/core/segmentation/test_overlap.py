from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.segmentation.overlap import MEASURES, overlap_table, overlaps

Mask = NDArray[np.uint8]
DICE, IOU, HAUSDORFF = range(3)


def surface(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    height, width = mask.shape

    def inside(y: int, x: int) -> bool:
        return 0 <= y < height and 0 <= x < width and bool(mask[y, x])

    neighbours = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return [
        (y, x)
        for y, x in np.ndindex(mask.shape)
        if inside(y, x) and not all(inside(y + dy, x + dx) for dy, dx in neighbours)
    ]


def reference(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """By counting, and by the distances of all pairs of surface pixels."""
    both = sum(bool(predicted[place] and truth[place]) for place in np.ndindex(truth.shape))
    either = sum(bool(predicted[place] or truth[place]) for place in np.ndindex(truth.shape))
    ours, theirs = surface(predicted), surface(truth)
    there = [min(hypot(y - v, x - u) for v, u in theirs) for y, x in ours]
    back = [min(hypot(y - v, x - u) for v, u in ours) for y, x in theirs]
    return 2 * both / (both + either), both / either, max(np.percentile(there, 95), np.percentile(back, 95))


def square(left: int, top: int, side: int, *, size: int = 32) -> Mask:
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


@pytest.mark.parametrize("seed", range(20))
def test_each_class_is_measured_as_by_counting_and_by_all_pairs_of_surface_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(5, 14, size=2)
    predicted, truth = (rng.choice(4, size=shape, p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8) for _ in range(2))
    measured = overlaps(predicted, truth, 4)
    assert measured.shape == (3, len(MEASURES))
    for label in range(1, 4):
        if (predicted == label).any() and (truth == label).any():
            np.testing.assert_allclose(measured[label - 1], reference(predicted == label, truth == label))


def test_equal_masks_agree_in_full() -> None:
    mask = np.random.default_rng(0).integers(0, 4, size=(20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(overlaps(mask, mask, 4), [[1, 1, 0]] * 3)


def test_exchanging_prediction_and_truth_changes_nothing() -> None:
    one, other = square(3, 4, 9), square(8, 2, 14)
    np.testing.assert_array_equal(overlaps(one, other, 2), overlaps(other, one, 2))


@pytest.mark.parametrize("shift", [1, 3, 5])
def test_a_square_moved_sideways_is_as_far_off_as_it_moved(shift: int) -> None:
    side = 10
    measured = overlaps(square(5 + shift, 5, side), square(5, 5, side), 2)[0]
    assert measured[DICE] == pytest.approx((side - shift) / side)
    assert measured[IOU] == pytest.approx((side - shift) / (side + shift))
    assert measured[HAUSDORFF] == shift  # more than 5 % of the surface is the side that moved


def test_the_distance_leaves_out_the_farthest_twentieth_of_the_surface() -> None:
    truth = square(4, 4, 12, size=64)
    stray = truth.copy()
    stray[60, 60] = 1  # one pixel of 45 on the surface
    assert overlaps(stray, truth, 2)[0, HAUSDORFF] == 0
    stray[56:60, 60] = 1
    assert overlaps(stray, truth, 2)[0, HAUSDORFF] > 50


def test_the_worse_direction_counts_and_not_both_thrown_together() -> None:
    truth, predicted = square(2, 2, 10, size=64), square(2, 2, 10, size=64)
    truth[2:12, 2:30] = 1
    far = np.percentile([max(0, x - 11) for y, x in surface(truth == 1)], 95)
    assert overlaps(predicted, truth, 2)[0, HAUSDORFF] == pytest.approx(far)


def test_where_the_objects_lie_in_the_image_does_not_matter() -> None:
    inner = overlaps(square(12, 10, 6), square(10, 10, 9), 2)
    corner = overlaps(square(2, 0, 6), square(0, 0, 9), 2)
    np.testing.assert_array_equal(inner, corner)


def test_a_class_in_neither_mask_is_not_measured() -> None:
    measured = overlaps(square(5, 5, 4), square(5, 5, 4), 3)
    assert np.isnan(measured[1]).all() and not np.isnan(measured[0]).any()


def test_a_class_in_one_mask_alone_gets_the_worst_of_each_measure() -> None:
    lesion, nothing = np.zeros((30, 40), dtype=np.uint8), np.zeros((30, 40), dtype=np.uint8)
    lesion[0, 0] = 1
    for pair in ((lesion, nothing), (nothing, lesion)):
        np.testing.assert_array_equal(overlaps(*pair, 2), [[0, 0, 50]])


def test_the_worst_distance_is_beyond_the_farthest_two_pixels() -> None:
    one, other = np.zeros((30, 40), dtype=np.uint8), np.zeros((30, 40), dtype=np.uint8)
    one[0, 0] = other[-1, -1] = 1
    assert 48 < overlaps(one, other, 2)[0, HAUSDORFF] < 50


def test_a_table_has_each_images_overlaps() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.integers(0, 3, size=(2, 4, 9, 7)).astype(np.uint8)
    table = overlap_table(predicted, truth, 3)
    assert table.shape == (4, 2, 3) and table.dtype == np.float64
    for image in range(4):
        np.testing.assert_array_equal(table[image], overlaps(predicted[image], truth[image], 3))
    assert overlap_table(predicted[:0], truth[:0], 3).shape == (0, 2, 3)


def test_masks_that_cannot_be_compared_are_refused() -> None:
    mask = square(2, 2, 4)
    with pytest.raises(ValueError, match=r"\[height, width\] of one size; got \(32, 32\) and \(32, 31\)"):
        overlaps(mask, mask[:, :-1], 2)
    with pytest.raises(ValueError, match=r"\[images, height, width\] of one size"):
        overlap_table(mask, mask, 2)
    with pytest.raises(ValueError, match="classes 0 to 1; got 3"):
        overlaps(3 * mask, mask, 2)
    with pytest.raises(ValueError, match="at least 2, the background among them; got 1"):
        overlaps(mask, mask, 1)
