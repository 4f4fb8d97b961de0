"""Many files into one store: each once, in order, with the reason of those that cannot be read."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.images.decoding import decode_all
from medplug.core.images.formats import ImageError
from medplug.core.images.store import ImageStore, StoredImage


def picture(number: int) -> NDArray[np.uint8]:
    """A picture of a size and content of its own."""
    return np.full((1, 2 + number % 3, 4), number, np.uint8)


def decoded(number: int) -> NDArray[np.uint8]:
    if number % 5 == 4:
        raise ImageError(f"number {number} is bad")
    time.sleep(0.002 * (number % 3))  # so that threads end in another order
    return picture(number)


def test_images_come_in_the_order_of_their_items_with_the_errors_in_their_places() -> None:
    store = ImageStore()
    found = decode_all(range(30), decoded, store)
    for number, image in enumerate(found):
        if number % 5 == 4:
            assert isinstance(image, ImageError) and str(image) == f"number {number} is bad"
        else:
            assert isinstance(image, StoredImage) and image.store is store
            np.testing.assert_array_equal(image.pixels(), picture(number))


def test_equal_items_are_decoded_once_and_share_an_image() -> None:
    asked: list[int] = []

    def counted(number: int) -> NDArray[np.uint8]:
        asked.append(number)
        return decoded(number)

    items = [3, 1, 3, 4, 1, 3, 4]
    found = decode_all(items, counted, ImageStore())
    assert sorted(asked) == [1, 3, 4]
    assert all(
        (a is b) is (i == j) for i, a in zip(items, found, strict=True) for j, b in zip(items, found, strict=True)
    )


def test_progress_counts_the_distinct_items() -> None:
    told: list[tuple[int, int]] = []
    decode_all([0, 1, 1, 4, 2, 0], decoded, ImageStore(), lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_is_asked_of_no_items() -> None:
    assert decode_all([], lambda _: pytest.fail("decoded"), ImageStore(), lambda *_: pytest.fail("told")) == []


def test_no_more_images_are_in_memory_than_there_are_threads() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def counted(number: int) -> NDArray[np.uint8]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.001)
        with lock:
            now -= 1
        return picture(number)

    decode_all(range(60), counted, ImageStore())
    assert 1 <= most <= (os.cpu_count() or 1)


def test_what_is_no_fault_of_an_image_ends_the_decoding() -> None:
    def broken(number: int) -> NDArray[np.uint8]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        decode_all([1, 2], broken, ImageStore())
