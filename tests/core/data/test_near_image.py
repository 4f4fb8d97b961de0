from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from medplug.core.data import near_image
from medplug.core.images.store import ImageStore, StoredImage

Grey = NDArray[np.uint8]


def picture(seed: int, size: int = 160) -> Grey:
    """Blurred noise over a shape that all pictures share, as radiographs share a chest."""
    drawn = np.random.default_rng(seed).normal(size=(12, 12))
    y, x = np.mgrid[-1:1:12j, -1:1:12j]
    coarse = 110 + 60 * np.exp(-3 * (x**2 + y**2)) + 25 * drawn
    smooth = Image.fromarray(coarse.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth), 0, 255).astype(np.uint8)


def encoded(pixels: Grey, quality: int) -> Grey:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(pixels: Grey, size: int) -> Grey:
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def store() -> ImageStore:
    return ImageStore()


def kept(store: ImageStore, *pixels: Grey) -> list[StoredImage]:
    return [store.add(each[None]) for each in pixels]


def test_resized_and_reencoded_copies_are_found_and_other_pictures_are_not(store: ImageStore) -> None:
    pictures = [picture(i) for i in range(60)]
    assert len(set(near_image.clusters(kept(store, *pictures))[0])) == 60
    copies = [
        encoded(pictures[3], 60),
        resized(pictures[4], 97),
        encoded(resized(pictures[5], 240), 75),
        np.clip(pictures[6] * 0.8 + 20, 0, 255).astype(np.uint8),
    ]
    numbers, told = near_image.clusters(kept(store, *pictures, *copies))
    assert numbers[60:] == [3, 4, 5, 6]
    assert len(set(numbers)) == 60
    assert told.all()


def test_a_grey_picture_and_its_copy_in_colour_are_the_same(store: ImageStore) -> None:
    grey = picture(1)
    colour = store.add(np.repeat(grey[None, :, :, None], 3, axis=3))
    assert near_image.clusters([store.add(grey[None]), colour])[0] == [0, 0]


def test_of_volumes_the_middle_slice_is_compared(store: ImageStore) -> None:
    volume = np.stack([picture(i) for i in range(3)])
    assert near_image.clusters([store.add(volume), *kept(store, picture(1), picture(0))])[0] == [0, 0, 2]


def test_what_shows_nothing_is_like_nothing(store: ImageStore) -> None:
    blank = np.full((40, 40), 7, dtype=np.uint8)
    numbers, told = near_image.clusters(kept(store, blank, blank + 1))
    assert numbers == [0, 1]
    assert not told.any()


def test_no_images_have_no_clusters() -> None:
    numbers, told = near_image.clusters([])
    assert numbers == [] and told.shape == (0,)
