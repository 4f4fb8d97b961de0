from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medplug.core.task import Examples
from medplug.plugins.imaging import lesions

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Save = Callable[..., str]
Table = Callable[..., Path]
GREY = np.full((6, 8), 90, dtype=np.uint8)


def spot(value: int, dtype: Any = np.uint8, height: int = 6, width: int = 8) -> np.ndarray[Any, Any]:
    """A mask with a spot of this value in its upper left quarter."""
    mask = np.zeros((height, width), dtype=dtype)
    mask[: height // 2, : width // 2] = value
    return mask


@pytest.fixture
def masked(read: Read, save: Save, table: Table) -> Callable[..., tuple[Examples, list[tuple[int, str, str]]]]:
    """Reads one grey image for each of these masks."""

    def found(*masks: np.ndarray[Any, Any], ending: str = "png", image: Any = GREY, **more: Any) -> Any:
        images = [save(f"images/{i}.png", image) for i in range(len(masks))]
        names = [save(f"masks/{i}.{ending}", mask) for i, mask in enumerate(masks)]
        return read(table(image=images, mask=names), target="mask", **more)

    return found


def numbers(found: Examples) -> list[list[int]]:
    assert found.masks is not None
    return [np.unique(mask.pixels()).tolist() for mask in found.masks]


def test_black_and_white_masks_hold_one_lesion(masked: Any) -> None:
    found, problems = masked(spot(255), spot(0), spot(1).astype(bool))
    assert (found.labels, problems) == ([("lesion",), (), ("lesion",)], [])
    assert numbers(found) == [[0, 1], [0], [0, 1]]
    np.testing.assert_array_equal(found.masks[0].pixels()[0], spot(1))


def test_small_numbers_are_classes_and_a_file_that_lacks_some_is_read_like_the_others(masked: Any) -> None:
    found, problems = masked(spot(1), spot(2), spot(1) + 2 * spot(1)[::-1])
    assert (found.labels, problems) == ([("1",), ("2",), ("1", "2")], [])
    assert numbers(found) == [[0, 1], [0, 2], [0, 1, 2]]


def test_numbered_objects_are_one_class_even_where_a_file_holds_few(masked: Any) -> None:
    found, _ = masked(spot(2, np.uint16), spot(700, np.uint16))
    assert (found.labels, numbers(found)) == ([("lesion",)] * 2, [[0, 1], [0, 1]])


def test_a_single_name_makes_one_class_of_every_number(masked: Any) -> None:
    found, _ = masked(spot(2), spot(3), classes=["nucleus"])
    assert (found.labels, numbers(found)) == ([("nucleus",)] * 2, [[0, 1], [0, 1]])


def test_named_classes_are_numbered_from_one_and_no_further(masked: Any) -> None:
    found, problems = masked(spot(2), spot(3), spot(255), classes=["nerve", "vessel"])
    assert found.labels == [("vessel",)]
    assert [(row, column) for row, column, _ in problems] == [(2, "mask"), (3, "mask")]
    assert problems[0][2] == "it holds numbers above 2, and task.classes names so many classes"


def test_a_mask_of_another_size_is_named_with_both_sizes(masked: Any) -> None:
    found, problems = masked(spot(1), spot(1, height=7))
    assert len(found) == 1
    assert problems == [(2, "mask", "the mask is 8 x 7 pixels and its image 8 x 6; give masks of their images' size")]


def test_masks_are_scaled_down_with_their_images_and_compared_at_full_size(masked: Any) -> None:
    image = np.tile(GREY, (4, 4))
    found, problems = masked(
        spot(3, height=24, width=32), spot(3, height=12, width=16), image=image, data={"resolution": 12}
    )
    assert found.inputs["image"][0].shape == found.masks[0].shape == (1, 12, 16)
    np.testing.assert_array_equal(found.masks[0].pixels()[0], spot(3, height=12, width=16))
    assert [(row, "16 x 12 pixels and its image 32 x 24" in reason) for row, _, reason in problems] == [(2, True)]


def test_masks_of_images_without_a_file_are_compared_as_those_are_kept(read: Read) -> None:
    image = np.tile(GREY, (4, 4))
    given = {"image": [image, image], "mask": [spot(1, height=24, width=32), spot(1, height=24, width=28)]}
    found, problems = read(given, {"resolution": 12}, target="mask")
    assert found.masks is not None and found.masks[0].shape == (1, 12, 16)
    assert [(row, column) for row, column, _ in problems] == [(2, "mask")]


def test_a_volume_has_no_mask(read: Read) -> None:
    _, problems = read({"image": [np.zeros((4, 6, 8), np.uint8)], "mask": [spot(1)]}, target="mask")
    assert [reason.partition(": ")[2] for _, _, reason in problems] == [
        "masks are for plain pictures, and its image is a volume"
    ]


def test_the_mask_of_a_bad_image_is_not_read(
    read: Read, save: Save, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesions, "read_mask", lambda *_: pytest.fail("the mask was read"))
    given = table(image=["lost.png", None], mask=[save("m.png", spot(1)), save("n.png", spot(1))])
    _, problems = read(given, target="mask")
    assert [(row, column) for row, column, _ in sorted(problems)] == [(1, "image"), (2, "image")]


def test_an_absent_mask_is_a_problem_and_its_image_left_out(read: Read, save: Save, table: Table) -> None:
    names = [save("a.png", GREY), save("b.png", GREY)]
    found, problems = read(table(image=names, mask=[None, "lost.png"]), target="mask")
    assert (len(found), found.masks) == (0, [])
    assert [(row, column) for row, column, _ in problems] == [(1, "mask"), (2, "mask")]


def test_equal_masks_are_read_once(read: Read, save: Save, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def counted(path: Path, *_: Any) -> Any:
        seen.append(path)
        return spot(1)

    monkeypatch.setattr(lesions, "read_mask", counted)
    image, mask = save("a.png", GREY), save("m.png", spot(1))
    found, _ = read(table(image=[image, image], mask=[mask, mask]), target="mask")
    assert (len(found), len(seen)) == (2, 1)


def test_rows_to_predict_on_need_no_mask(read: Read, save: Save, table: Table) -> None:
    found, problems = read(table(image=[save("a.png", GREY)]), labelled=False, key="INPUT", target="mask")
    assert (found.masks, found.labels, problems) == (None, None, [])
