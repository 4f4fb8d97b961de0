"""The plain baseline for masks: a logistic regression on what a pixel and its surroundings look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

MOST_PIXELS = 50_000
"""Training pixels, of all images together."""

NEAR, FAR = 1 / 100, 1 / 20
"""Standard deviations of the two smoothings, as parts of the image's shorter side."""

LEANS = np.linspace(-3.0, 6.0, 37)
"""What may be added to the foreground's logits."""

ABSENT_LOGIT = -1e4
"""The bias of a class without a training pixel."""


@dataclass(frozen=True, slots=True)
class PixelBaseline:
    """A linear classifier of pixels: `weight` ``[classes, features]`` and `bias` ``[classes]``."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask ``[height, width]`` of an image ``[height, width]`` or ``[height, width, 3]``."""
        logits = pixel_features(image) @ self.weight.T + self.bias
        mask: NDArray[np.uint8] = logits.argmax(axis=-1).astype(np.uint8)
        return mask


def all_background(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The majority's mask ``[height, width]``: no lesion anywhere."""
    return np.zeros(image.shape[:2], dtype=np.uint8)


def pixel_features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is told of each pixel, ``[height, width, 8]``.

    Its grey value (the mean of the colours, 0 to 1); the same smoothed by
    Gaussians of a hundredth and of a twentieth of the shorter side; the
    standard deviation in a square of a tenth of it; and the place, x and y from
    -1 to 1 and their squares, without which a linear model knows no middle.

    Raises ValueError where the image is neither grey nor of three colours.
    """
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"an image must be [height, width] or [height, width, 3]; got shape {image.shape}")
    grey = image.reshape(*image.shape[:2], -1).mean(axis=-1, dtype=np.float32) / 255
    shorter = min(grey.shape)
    near, far = (gaussian_filter(grey, part * shorter) for part in (NEAR, FAR))
    window = 2 * round(FAR * shorter) + 1
    variance = uniform_filter(grey**2, window) - uniform_filter(grey, window) ** 2
    y, x = np.meshgrid(*(np.linspace(-1, 1, length, dtype=np.float32) for length in grey.shape), indexing="ij")
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
    features, labels = _sample(images, masks, classes, seed)
    model = _fit_logistic(features, labels, classes)
    logits = features @ model.weight.T + model.bias
    lean = max(LEANS, key=lambda lean: _mean_dice(logits, labels, lean))
    return PixelBaseline(model.weight, model.bias + np.where(np.arange(classes) > 0, lean, 0.0))


def _sample(
    images: Iterable[NDArray[np.uint8]], masks: Iterable[NDArray[np.uint8]], classes: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Pixels ``[rows, features]`` and their classes; the more images come, the fewer pixels each one keeps."""
    rng = np.random.default_rng(seed)
    features: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.uint8]] = []
    quota = MOST_PIXELS
    for number, (image, mask) in enumerate(islice(zip(images, masks, strict=True), MOST_PIXELS), start=1):
        _check(number, image, mask, classes)
        if number * quota > MOST_PIXELS:
            quota //= 2
            features = [kept[:quota].copy() for kept in features]
            labels = [kept[:quota].copy() for kept in labels]
        # in random order, so that the first of them are a random sample too
        places = np.unravel_index(rng.permutation(mask.size)[:quota], mask.shape)
        features.append(pixel_features(image)[places])
        labels.append(mask[places])
    if not features:
        raise ValueError("the pixel baseline needs at least one training image; got none")
    return np.concatenate(features), np.concatenate(labels)


def _check(number: int, image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: int) -> None:
    if mask.ndim != 2 or mask.shape != image.shape[:2]:
        raise ValueError(f"image {number} has shape {image.shape} and its mask {mask.shape}; a mask is [height, width]")
    if mask.max(initial=0) >= classes:
        raise ValueError(f"mask {number} must hold classes 0 to {classes - 1}; got {mask.max()}")


def _fit_logistic(features: NDArray[np.float32], labels: NDArray[np.uint8], classes: int) -> PixelBaseline:
    """The model on features as they are, fitted on standardised ones; a class without a pixel gets no probability."""
    from sklearn.linear_model import LogisticRegression

    weight, bias = np.zeros((classes, features.shape[1])), np.full(classes, ABSENT_LOGIT)
    seen = np.unique(labels)
    bias[seen] = 0.0
    if len(seen) == 1:
        return PixelBaseline(weight, bias)
    mean, deviation = features.mean(axis=0), features.std(axis=0).clip(min=1e-6)
    model = LogisticRegression(max_iter=1000).fit((features - mean) / deviation, labels)
    # of two classes scikit-learn gives the second one's logit alone
    fitted = seen[-len(model.coef_) :]
    weight[fitted] = model.coef_ / deviation
    bias[fitted] = model.intercept_ - weight[fitted] @ mean
    return PixelBaseline(weight, bias)


def _mean_dice(logits: NDArray[np.float64], labels: NDArray[np.uint8], lean: float) -> float:
    classes = logits.shape[1]
    predicted = (logits + lean * (np.arange(classes) > 0)).argmax(axis=1)
    agreed = np.bincount(labels[predicted == labels], minlength=classes)[1:]
    total = (np.bincount(predicted, minlength=classes) + np.bincount(labels, minlength=classes))[1:]
    return float(np.mean(2 * agreed / total.clip(min=1)))
