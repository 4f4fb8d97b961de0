from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medplug.core.images.formats import ImageError
from medplug.core.images.masks import check_same_size, compact, highest_class, nearest, picture_size, read_mask

SIZE = (6, 8)
CLASSES = np.arange(48).reshape(SIZE) % 4


def saved(path: Path, array: Any, name: str = "mask.png", **how: Any) -> Path:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path / name, **how)
    return path / name


@pytest.mark.parametrize("name", ["mask.png", "mask.tif", "mask.bmp"])
def test_numbers_come_as_they_are(tmp_path: Path, name: str) -> None:
    mask = read_mask(saved(tmp_path, CLASSES.astype(np.uint8), name), SIZE)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, CLASSES)


def test_a_picture_of_1_bit_holds_0_and_1(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(saved(tmp_path, CLASSES > 1), SIZE), CLASSES > 1)


def test_a_palette_gives_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(CLASSES.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10, 10, 10, 200])
    image.putdata(CLASSES.ravel().tolist())
    np.testing.assert_array_equal(read_mask(saved(tmp_path, image), SIZE), CLASSES)


def test_numbers_of_16_bits_are_read(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(saved(tmp_path, CLASSES.astype(np.uint16)), SIZE), CLASSES)
    objects = (CLASSES * 1000).astype(np.uint16)
    np.testing.assert_array_equal(read_mask(saved(tmp_path, objects), SIZE), np.where(CLASSES > 0, 255, 0))


def test_colours_that_agree_are_one_number_and_others_are_refused(tmp_path: Path) -> None:
    grey = np.dstack([CLASSES.astype(np.uint8)] * 3)
    np.testing.assert_array_equal(read_mask(saved(tmp_path, grey), SIZE), CLASSES)
    opaque = np.dstack([grey, np.full(SIZE, 255, np.uint8)])
    np.testing.assert_array_equal(read_mask(saved(tmp_path, opaque), SIZE), CLASSES)
    grey[..., 1] = 0
    with pytest.raises(ImageError, match="it has colours"):
        read_mask(saved(tmp_path, grey), SIZE)


def test_formats_that_blur_are_read_where_they_are_black_and_white(tmp_path: Path) -> None:
    spot = np.zeros((32, 32), np.uint8)
    spot[8:20, 5:17] = 255
    blurred = saved(tmp_path, spot, "mask.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(blurred)))) > 2
    np.testing.assert_array_equal(read_mask(blurred, (32, 32)), spot)
    with pytest.raises(ImageError, match="save masks that hold numbers as PNG"):
        read_mask(saved(tmp_path, spot // 100, "mask.jpg"), (32, 32))


def test_a_turned_picture_is_set_upright(tmp_path: Path) -> None:
    turned = Image.fromarray(CLASSES.astype(np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    path = saved(tmp_path, turned, exif=exif)
    assert picture_size(path) == SIZE[::-1]
    np.testing.assert_array_equal(read_mask(path, SIZE[::-1]), np.rot90(CLASSES, -1))


def test_another_size_is_refused_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, CLASSES.astype(np.uint8))
    monkeypatch.setattr(np, "asarray", lambda *_: pytest.fail("the mask was decoded"))
    with pytest.raises(ImageError, match="the mask is 8 x 6 pixels and its image 9 x 6"):
        read_mask(path, (6, 9))


def test_the_size_of_an_image_that_was_scaled_down_is_that_of_its_mask_scaled_down() -> None:
    check_same_size((600, 900), (200, 300), shortest=200)
    with pytest.raises(ImageError, match="900 x 640 pixels and its image 300 x 200 as it is kept"):
        check_same_size((640, 900), (200, 300), shortest=200)


def test_what_cannot_be_read_is_told_in_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, (64, 64), dtype=np.uint8)
    (tmp_path / "cut.png").write_bytes(saved(tmp_path, noise).read_bytes()[:300])
    (tmp_path / "none.png").write_bytes(b"")
    for name in ("cut.png", "none.png"):
        with pytest.raises(ImageError, match="it is cut off, damaged or no picture"):
            read_mask(tmp_path / name, (64, 64))
    with pytest.raises(ImageError, match="there is no such file"):
        read_mask(tmp_path / "lost.png", SIZE)
    pages = [Image.fromarray(CLASSES.astype(np.uint8)) for _ in range(2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match="it has several pages"):
        read_mask(tmp_path / "pages.tif", SIZE)


def test_the_size_of_what_is_no_picture_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(b"\x00" * 128 + b"DICM")
    assert picture_size(tmp_path / "scan.dcm") is None
    assert picture_size(tmp_path / "lost.png") is None


def test_numbers_above_31_are_some_and_nothing_else() -> None:
    assert compact(np.array([[0, 31], [1, 0]])).tolist() == [[0, 31], [1, 0]]
    assert compact(np.array([[0, 32], [1, 0]])).tolist() == [[0, 255], [255, 0]]
    assert compact(np.array([[True, False]])).tolist() == [[1, 0]]
    assert compact(np.array([[2.0, 0.0]])).tolist() == [[2, 0]]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (np.array([[0.5]]), "fractions"),
        (np.array([[np.nan]]), "fractions"),
        (np.array([[-1]]), "below 0"),
        (np.zeros((2, 2, 3), np.uint8), r"got \[2, 2, 3\]"),
        (np.array([["a"]]), "of <U1"),
    ],
)
def test_what_is_no_mask_is_refused(numbers: Any, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        compact(numbers)


def test_what_numbers_mean_is_decided_for_the_whole_table() -> None:
    assert highest_class([0, 1, 3]) == 3
    assert highest_class([1, 255]) == 1
    assert highest_class([0, 0]) == 0
    assert highest_class([]) == 0


def test_the_nearest_pixel_is_taken_and_no_class_invented() -> None:
    mask = np.array([[0, 0, 7, 7], [0, 0, 7, 7], [3, 3, 0, 0], [3, 3, 0, 0]], np.uint8)
    assert nearest(mask, (2, 2)).tolist() == [[0, 7], [3, 0]]
    np.testing.assert_array_equal(nearest(mask, (4, 4)), mask)
    np.testing.assert_array_equal(nearest(nearest(mask, (8, 12)), (4, 4)), mask)
    assert set(np.unique(nearest(mask, (3, 5)))) <= {0, 3, 7}
