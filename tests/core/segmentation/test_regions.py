from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.segmentation.regions import Region, regions


def drawn(*lines: str) -> NDArray[np.uint8]:
    """A mask from a drawing: a dot is background, a digit its class."""
    return np.array([[0 if mark == "." else int(mark) for mark in line] for line in lines], dtype=np.uint8)


def test_a_region_tells_its_class_its_size_and_its_place() -> None:
    mask = drawn(
        "........",
        ".111....",
        ".111....",
        "......22",
    )
    assert regions(mask) == [
        Region(label=1, pixels=6, share=6 / 32, box=(1, 1, 3, 2), centre=(2.0, 1.5), probability=None),
        Region(label=2, pixels=2, share=2 / 32, box=(6, 3, 2, 1), centre=(6.5, 3.0), probability=None),
    ]


def test_the_box_holds_the_region_and_no_more() -> None:
    mask = (np.random.default_rng(0).random((40, 30)) < 0.15).astype(np.uint8)
    found = regions(mask)
    assert sum(region.pixels for region in found) == mask.sum()
    for left, top, width, height in (region.box for region in found):
        inside = mask[top : top + height, left : left + width]
        assert all(inside[edge].any() for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]))


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    assert [region.pixels for region in regions(drawn("1..", ".1.", "..1", "...", "1.."))] == [3, 1]


def test_touching_pixels_of_two_classes_are_two_regions() -> None:
    assert [(region.label, region.pixels) for region in regions(drawn("1122", "1.22"))] == [(2, 4), (1, 3)]


def test_the_largest_come_first_and_of_equal_ones_the_lower_class_then_the_upper() -> None:
    mask = drawn("2.1.1", ".....", "1.333")
    assert [(region.label, region.box[:2]) for region in regions(mask)] == [
        (3, (2, 2)),
        (1, (2, 0)),
        (1, (4, 0)),
        (1, (0, 2)),
        (2, (0, 0)),
    ]


def test_regions_of_fewer_pixels_than_the_least_are_left_out() -> None:
    mask = drawn("1.11.111", "........", "22......")
    assert [region.pixels for region in regions(mask, least=2)] == [3, 2, 2]
    assert [region.pixels for region in regions(mask, least=3)] == [3]
    assert regions(mask, least=4) == []


def test_the_centre_of_an_even_square_lies_between_its_pixels() -> None:
    (region,) = regions(drawn("....", ".11.", ".11."))
    assert region.centre == (1.5, 1.5)


def test_the_probability_is_the_mean_of_its_own_class_over_its_own_pixels() -> None:
    mask = drawn("11.22", "11...", "....1")
    probabilities = np.random.default_rng(0).random((3, 3, 5)).astype(np.float32)
    found = {(region.label, region.pixels): region.probability for region in regions(mask, probabilities)}
    assert found[1, 4] == pytest.approx(probabilities[1, :2, :2].mean())
    assert found[2, 2] == pytest.approx(probabilities[2, 0, 3:].mean())
    assert found[1, 1] == pytest.approx(probabilities[1, 2, 4])


def test_a_mask_of_background_has_no_region() -> None:
    nothing = np.zeros((5, 7), dtype=np.uint8)
    assert regions(nothing) == []
    assert regions(nothing, np.zeros((2, 5, 7), dtype=np.float32), least=3) == []


def test_shapes_that_do_not_fit_are_refused() -> None:
    mask = drawn("..2", "...")
    with pytest.raises(ValueError, match=r"\[height, width\]; got shape \(1, 2, 3\)"):
        regions(mask[None])
    for shape in ((3, 3, 2), (2, 2, 3)):
        with pytest.raises(ValueError, match=r"\[classes, 2, 3\] with at least 3 classes"):
            regions(mask, np.zeros(shape, dtype=np.float32))
