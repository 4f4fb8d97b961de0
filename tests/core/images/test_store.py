"""Images kept on disk: what goes in comes out, and nothing stays behind."""

from __future__ import annotations

import gc
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.images.store import ImageStore

SHAPES = [(1, 8, 8), (1, 5, 9, 3), (3, 2, 7), (2, 4, 4, 3), (1, 1, 1), (64, 3, 5)]


def some_pixels(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng([seed, *shape]).integers(0, 256, shape, dtype=np.uint8)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_every_image_is_read_as_it_was_added(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    given = [some_pixels(shape, seed) for seed in range(4) for shape in SHAPES]
    images = [store.add(pixels) for pixels in given]
    for image, pixels in reversed(list(zip(images, given, strict=True))):
        assert image.shape == pixels.shape and image.store is store
        assert image.frames == pixels.shape[0] and image.colour is (pixels.ndim == 4)
        np.testing.assert_array_equal(image.pixels(), pixels)


@pytest.mark.parametrize(
    "view",
    [lambda a: a[:, ::2], lambda a: a.transpose(0, 2, 1), lambda a: a[::-1, :, ::-1], np.asfortranarray],
)
def test_arrays_of_any_layout_are_kept_by_their_values(view: Any) -> None:
    pixels = view(some_pixels((3, 6, 10)))
    image = ImageStore().add(pixels)
    np.testing.assert_array_equal(image.pixels(), pixels)
    assert image.digest == ImageStore().add(pixels.copy()).digest


def test_each_reading_is_a_copy_of_its_own() -> None:
    given = some_pixels((1, 4, 4))
    image = ImageStore().add(given)
    kept = given.copy()
    given[:] = 0
    image.pixels()[:] = 1
    np.testing.assert_array_equal(image.pixels(), kept)


def test_digests_are_equal_where_pixels_and_shape_are() -> None:
    pixels = some_pixels((1, 4, 6))
    other = pixels.copy()
    other[0, 3, 5] ^= 1
    digest = ImageStore().add(pixels).digest
    assert len(digest) == 16 and ImageStore().add(pixels.copy()).digest == digest
    different = [other, pixels.reshape(1, 6, 4), pixels.reshape(4, 2, 3), pixels.reshape(1, 2, 4, 3), pixels[:, :3]]
    assert len({ImageStore().add(each).digest for each in different} | {digest}) == len(different) + 1


def test_an_image_without_pixels_takes_no_place() -> None:
    store = ImageStore()
    empty, image = store.add(np.empty((0, 4, 4), np.uint8)), store.add(some_pixels((1, 4, 4)))
    assert empty.pixels().shape == (0, 4, 4) and empty.offset == image.offset == 0
    np.testing.assert_array_equal(image.pixels(), some_pixels((1, 4, 4)))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 4, 4), np.float32),
        np.zeros((1, 4, 4), np.int16),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 1), np.uint8),
        np.zeros((1, 1, 4, 4, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused_by_its_type_and_shape(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[frames, height, width\(, 3\)\]") as told:
        ImageStore().add(wrong)
    assert f"got {wrong.dtype} {wrong.shape}" in str(told.value)


def test_threads_may_add_and_read_at_once() -> None:
    store = ImageStore()
    given = [some_pixels(SHAPES[i % len(SHAPES)], i) for i in range(240)]

    def kept(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return store.add(pixels).pixels()

    with ThreadPoolExecutor(8) as threads:
        images = list(threads.map(store.add, given))
        for found, pixels in zip(threads.map(kept, given), given, strict=True):
            np.testing.assert_array_equal(found, pixels)
    places = sorted((image.offset, image.offset + pixels.size) for image, pixels in zip(images, given, strict=True))
    assert all(end <= start for (_, end), (start, _) in zip(places, places[1:], strict=False))
    for image, pixels in zip(images, given, strict=True):
        np.testing.assert_array_equal(image.pixels(), pixels)


def test_a_system_that_writes_a_little_at_a_time_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: write(file, data[:7], place))
    pixels = some_pixels((2, 9, 5, 3))
    np.testing.assert_array_equal(ImageStore().add(pixels).pixels(), pixels)


def test_a_full_disk_is_told_and_the_store_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    store, pixels = ImageStore(), some_pixels((1, 4, 4))
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(os, "pwrite", full)
        store.add(pixels)
    np.testing.assert_array_equal(store.add(pixels).pixels(), pixels)


# ---- nothing stays behind


def test_the_file_has_no_name_and_is_closed_with_the_last_image(tmp_path: Path) -> None:
    before = open_files()
    store = ImageStore(tmp_path)
    image = store.add(some_pixels((1, 4, 4)))
    assert list(tmp_path.iterdir()) == [] and open_files() == before + 1
    gone = weakref.ref(store)
    del store
    np.testing.assert_array_equal(image.pixels(), some_pixels((1, 4, 4)))  # an image keeps its store
    del image
    gc.collect()
    assert gone() is None and open_files() == before


def test_a_store_beside_another_is_of_its_folder_and_empty(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    image = store.add(some_pixels((1, 4, 4), 1))
    beside = store.beside()
    other = beside.add(some_pixels((1, 4, 4), 2))
    assert beside is not store and beside.folder == tmp_path and other.offset == 0
    np.testing.assert_array_equal(image.pixels(), some_pixels((1, 4, 4), 1))
    assert ImageStore().beside().folder is None


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ImageStore(tmp_path / "none")
