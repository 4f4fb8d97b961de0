from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from medplug.core.segmentation import pixel_baseline
from medplug.core.segmentation.overlap import overlap_table
from medplug.core.segmentation.pixel_baseline import all_background, fit_pixel_baseline, pixel_features

Pixels = NDArray[np.uint8]


def scans(images: int, *, seed: int = 0, contrast: int = 70, side: int = 48) -> tuple[list[Pixels], list[Pixels]]:
    """Noisy grey images with a brighter disc (class 1) and a darker one (class 2)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    made, masks = [], []
    for _ in range(images):
        mask = np.zeros((side, side), dtype=np.uint8)
        for label, half in ((1, 0), (2, side // 2)):
            top, left = rng.integers(side // 6, side // 3, size=2) + (0, half)
            mask[np.hypot(y - top, x - left) < side / 8] = label
        values = 120 + contrast * (mask == 1) - contrast * (mask == 2.0) + rng.normal(0, 25, mask.shape)
        made.append(values.clip(0, 255).astype(np.uint8))
        masks.append(mask)
    return made, masks


def mean_dice(predicted: list[Pixels], truth: list[Pixels], classes: int = 3) -> float:
    return float(np.nanmean(overlap_table(np.stack(predicted), np.stack(truth), classes)[..., 0]))


def test_discs_unlike_their_surroundings_are_found_in_new_images() -> None:
    baseline = fit_pixel_baseline(*scans(12), classes=3, seed=0)
    images, masks = scans(6, seed=1)
    predicted = [baseline.predict(image) for image in images]
    assert all(mask.dtype == np.uint8 and mask.shape == (48, 48) for mask in predicted)
    assert mean_dice(predicted, masks) > 0.8


def test_rare_pixels_that_are_hard_to_tell_are_marked_though_the_background_is_likelier() -> None:
    rng = np.random.default_rng(0)
    masks = [(rng.random((48, 48)) < 0.05).astype(np.uint8) for _ in range(8)]
    images = [(120 + 25 * mask + rng.normal(0, 25, mask.shape)).clip(0, 255).astype(np.uint8) for mask in masks]
    baseline = fit_pixel_baseline(images, masks, classes=2, seed=0)
    likeliest = pixel_baseline._fit_logistic(*pixel_baseline._sample(images, masks, 2, seed=0), 2)
    np.testing.assert_array_equal(baseline.weight, likeliest.weight)
    assert mean_dice([likeliest.predict(image) for image in images], masks, 2) < 0.1
    assert mean_dice([baseline.predict(image) for image in images], masks, 2) > 0.2


def test_colour_images_of_any_size_are_read_by_their_mean() -> None:
    images, masks = scans(8)
    baseline = fit_pixel_baseline([np.stack([image] * 3, axis=-1) for image in images], masks, classes=3, seed=0)
    grey = fit_pixel_baseline(images, masks, classes=3, seed=0)
    other = np.random.default_rng(0).integers(0, 256, size=(31, 60), dtype=np.uint8)
    assert baseline.predict(np.stack([other] * 3, axis=-1)).shape == (31, 60)
    np.testing.assert_allclose(baseline.weight, grey.weight, rtol=1e-3, atol=1e-3)


def test_the_features_are_grey_smoothed_grey_deviation_and_place() -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(60, 40), dtype=np.uint8)
    features = pixel_features(image).astype(np.float64)
    np.testing.assert_allclose(features[..., 0], image / 255, rtol=1e-6)
    window = image[28:33, 18:23] / 255  # a tenth of 40 is 4: two pixels each way
    assert features[30, 20, 3] == pytest.approx(window.std(), rel=1e-4)
    np.testing.assert_allclose(features[0, 0, 4:], [-1, -1, 1, 1])
    np.testing.assert_allclose(features[-1, 0, 4:], [-1, 1, 1, 1])
    assert features[..., 0].std() > features[..., 1].std() > features[..., 2].std()


def test_an_image_of_one_value_has_no_deviation_anywhere() -> None:
    features = pixel_features(np.full((30, 30), 201, dtype=np.uint8))
    assert np.isfinite(features).all() and features[..., 3].max() < 1e-3


def test_equal_seeds_give_equal_baselines_and_others_other_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_baseline, "MOST_PIXELS", 2000)
    first, again, other = (fit_pixel_baseline(*scans(6), classes=3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.weight, again.weight)
    np.testing.assert_array_equal(first.bias, again.bias)
    assert not np.array_equal(first.weight, other.weight)


def test_a_pixel_keeps_its_class_when_pixels_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_baseline, "MOST_PIXELS", 100)
    images = list(np.random.default_rng(0).integers(0, 256, size=(7, 12, 12), dtype=np.uint8))
    features, labels = pixel_baseline._sample(images, [image % 3 for image in images], 3, seed=0)
    np.testing.assert_array_equal(labels, np.round(features[:, 0] * 255).astype(int) % 3)


@pytest.mark.parametrize("images", [1, 3, 4, 5, 40, 130])
def test_images_share_the_pixels_equally_and_are_read_one_at_a_time(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_baseline, "MOST_PIXELS", 100)
    alive = 0

    def stream() -> Iterator[Pixels]:
        nonlocal alive
        for value in range(images):
            alive += 1
            yield np.full((12, 12), value, dtype=np.uint8)

    masks = (np.zeros((12, 12), dtype=np.uint8) for _ in range(images))
    features, labels = pixel_baseline._sample(stream(), masks, 2, seed=0)
    assert len(features) == len(labels) and 100 / 3 <= len(features) <= 100
    _, shares = np.unique(np.round(features[:, 0] * 255), return_counts=True)
    assert len(shares) == min(images, 100) and len(set(shares.tolist())) == 1
    assert alive == min(images, 100)


def test_without_a_lesion_in_training_none_is_predicted() -> None:
    images, masks = scans(3)
    baseline = fit_pixel_baseline(images, [np.zeros_like(mask) for mask in masks], classes=3, seed=0)
    assert not any(baseline.predict(image).any() for image in images)


def test_a_class_that_training_lacks_is_never_predicted() -> None:
    images, masks = scans(6)
    baseline = fit_pixel_baseline(images, [np.where(mask == 1, 0, mask) for mask in masks], classes=4, seed=0)
    assert set(np.unique([baseline.predict(image) for image in images])) == {0, 2}


def test_the_majority_is_a_mask_of_background() -> None:
    assert all_background(np.ones((3, 5, 3), dtype=np.uint8)).tolist() == [[0] * 5] * 3


def test_images_and_masks_that_do_not_fit_are_refused_by_their_place() -> None:
    images, masks = scans(2)
    with pytest.raises(ValueError, match=r"image 2 has shape \(48, 48\) and its mask \(48, 47\)"):
        fit_pixel_baseline(images, [masks[0], masks[1][:, :-1]], classes=3, seed=0)
    with pytest.raises(ValueError, match="mask 1 must hold classes 0 to 1; got 2"):
        fit_pixel_baseline(images, masks, classes=2, seed=0)
    with pytest.raises(ValueError, match="at least one training image"):
        fit_pixel_baseline([], [], classes=2, seed=0)
    with pytest.raises(ValueError, match="shorter"):
        fit_pixel_baseline(images, masks[:1], classes=3, seed=0)
    with pytest.raises(ValueError, match=r"got shape \(4, 4, 2\)"):
        pixel_features(np.zeros((4, 4, 2), dtype=np.uint8))
