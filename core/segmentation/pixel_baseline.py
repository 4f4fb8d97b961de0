"""The plain baseline for masks: a logistic regression on what a pixel and its surroundings look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

MOST_PIXELS = 50_000
"""Training pixels, of all images together."""

NEAR, FAR = 1 / 100, 1 / 20
"""Standard deviations of the two smoothings, as parts of the image's shorter side."""

LEANS = np.linspace(-3.0, 6.0, 37)
"""What may be added to the foreground's logits."""


@dataclass(frozen=True, slots=True)
class PixelBaseline:
    """A linear classifier of pixels: `weight` ``[classes, features]`` and `bias` ``[classes]``."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask ``[height, width]`` of an image ``[height, width]`` or ``[height, width, 3]``."""
        logits = pixel_features(image) @ self.weight.T + self.bias
        return logits.argmax(axis=-1).astype(np.uint8)


def all_background(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The majority's mask ``[height, width]``: no lesion anywhere."""
    return np.zeros(image.shape[:2], dtype=np.uint8)


def pixel_features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What is told of each pixel, ``[height, width, 8]``.

    Its grey value (the mean of the colours, 0 to 1), the same smoothed over a
    hundredth and over a twentieth of the shorter side, the standard deviation
    over that twentieth, and its place: x and y from -1 to 1 and their squares,
    without which a linear model knows no middle.

    Raises ValueError where the image is neither grey nor of three colours.
    """
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"an image must be [height, width] or [height, width, 3]; got shape {image.shape}")
    grey = image.reshape(*image.shape[:2], -1).mean(axis=-1) / 255
    near, far = (gaussian_filter(grey, part * min(grey.shape)) for part in (NEAR, FAR))
    variance = gaussian_filter(grey**2, FAR * min(grey.shape)) - far**2
    y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in grey.shape), indexing="ij")
    return np.stack([grey, near, far, np.sqrt(variance.clip(min=0)), x, y, x**2, y**2], axis=-1)


def fit_pixel_baseline(
    images: Iterable[NDArray[np.uint8]], masks: Iterable[NDArray[np.uint8]], classes: int, seed: int
) -> PixelBaseline:
    """Fit on at most 50,000 pixels, equally many of every image, read once and one at a time.

    Images are ``[height, width]`` or ``[height, width, 3]``, masks ``[height,
    width]`` of class indices below `classes`. As lesions are small, the most
    likely class of a pixel would mostly be the background: one number, chosen
    for the best mean Dice on the training pixels, is added to the logits of
    the foreground. A class without a training pixel is never predicted.

    Raises ValueError where there is no image, or a mask does not fit its own.
    """
    features, labels = _sample(images, masks, classes, np.random.default_rng(seed))
    model = _fit_logistic(features, labels, classes)
    logits = features @ model.weight.T + model.bias
    lean = max(LEANS, key=lambda lean: _mean_dice(logits, labels, lean))
    return PixelBaseline(model.weight, model.bias + np.where(np.arange(classes) > 0, lean, 0.0))


def _sample(
    images: Iterable[NDArray[np.uint8]], masks: Iterable[NDArray[np.uint8]], classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Pixels ``[rows, features]`` and their classes; the more images come, the fewer pixels each one keeps."""
    kept: list[tuple[NDArray[np.float64], NDArray[np.uint8]]] = []
    quota = MOST_PIXELS // 25
    for number, image, mask in zip(count(), images, masks, strict=False):
        _check(number, image, mask, classes)
        if (number + 1) * quota > MOST_PIXELS:
            quota //= 2
            kept = [(features[:quota].copy(), labels[:quota].copy()) for features, labels in kept]
        if not quota:
            break
        # in random order, so that the first of them are a random sample too
        places = rng.permutation(mask.size)[:quota]
        features = pixel_features(image)
        kept.append((features.reshape(-1, features.shape[-1])[places], mask.ravel()[places]))
    if not kept:
        raise ValueError("the pixel baseline needs at least one training image; got none")
    return np.concatenate([features for features, _ in kept]), np.concatenate([labels for _, labels in kept])
