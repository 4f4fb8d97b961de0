from __future__ import annotations

from typing import Any

import numpy as np

from medplug.core.images.store import ImageStore
from medplug.core.plain.image import PlainImage


def features(*pixels: Any) -> np.ndarray[Any, Any]:
    store = ImageStore()
    return PlainImage().transform([store.add(np.asarray(each, np.uint8)) for each in pixels])


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_images_of_any_size_have_as_many_features() -> None:
    told = features(noise(1, 64, 64), noise(1, 30, 200), noise(1, 5, 7, 3), noise(1, 1, 1))
    assert told.shape == (4, 16 * 16 + 16 + 4 + 1)
    assert np.isfinite(told).all()


def test_the_thumbnail_is_the_mean_of_each_sixteenth() -> None:
    image = noise(1, 32, 48)
    expected = image[0].reshape(16, 2, 16, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(features(image)[0, :256], expected.ravel(), atol=1e-6)


def test_the_histogram_counts_shares_and_the_last_number_is_the_shape() -> None:
    half = np.zeros((1, 8, 16))
    half[:, :, 8:] = 255
    told = features(half)[0]
    assert (told[256], told[271], told[256:272].sum()) == (0.5, 0.5, 1)
    assert told[-1] == np.log(2)


def test_texture_tells_fine_from_coarse_and_across_from_down() -> None:
    fine, coarse = np.zeros((1, 64, 64)), np.zeros((1, 64, 64))
    fine[:, ::2], coarse[:, (np.arange(64) // 8) % 2 == 1] = 255, 255
    (down, across, *_), (coarse_down, *_) = features(fine, coarse)[:, 272:]
    assert down == 1 and across == 0
    assert coarse_down < down / 4


def test_a_colour_is_read_as_its_mean_and_a_volume_by_its_middle_slice() -> None:
    grey = noise(3, 16, 16)
    np.testing.assert_array_equal(features(grey)[0], features(grey[1:2])[0])
    repeated = np.repeat(grey[1:2, ..., None], 3, axis=3)
    np.testing.assert_allclose(features(repeated)[0], features(grey[1:2])[0], atol=1e-6)


def test_nothing_is_learned() -> None:
    store = ImageStore()
    images = [store.add(noise(1, 9, 9)), store.add(noise(2, 20, 30))]
    plain = PlainImage()
    np.testing.assert_array_equal(plain.fit_transform(images)[1:], PlainImage().transform(images[1:]))
