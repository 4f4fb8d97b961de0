"""Simple features of images for the linear baseline: a thumbnail, a histogram and a little texture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from medplug.core.images.store import StoredImage

THUMBNAIL = 16
BINS = 16


class PlainImage:
    """What a linear model is told of an image, ``[rows, 277]``, each image read by itself.

    The grey values (0 to 1) of a thumbnail of 16 x 16, a histogram of 16 bins
    (shares), for each axis the mean absolute difference of neighbours in the
    whole image and in the thumbnail, and the logarithm of width by height. Of a
    volume it is the middle slice. Nothing is learned.
    """

    def fit_transform(self, rows: Sequence[StoredImage]) -> NDArray[np.float64]:
        """The matrix of the training images."""
        return self.transform(rows)

    def transform(self, rows: Sequence[StoredImage]) -> NDArray[np.float64]:
        """The matrix of any images."""
        return np.stack([_features(_grey(image)) for image in rows])


def _grey(image: StoredImage) -> NDArray[np.float32]:
    middle: NDArray[np.float32] = image.pixels()[image.frames // 2].astype(np.float32) / 255
    grey: NDArray[np.float32] = middle.mean(axis=2) if image.colour else middle
    return grey


def _features(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    from PIL import Image

    small = np.asarray(Image.fromarray(grey).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    shares = np.histogram(grey, bins=BINS, range=(0, 1))[0] / grey.size
    height, width = grey.shape
    return np.concatenate([small.ravel(), shares, _roughness(grey), _roughness(small), [math.log(width / height)]])


def _roughness(grey: NDArray[np.float32]) -> list[float]:
    """The mean absolute difference of neighbours, down and to the right."""
    return [float(np.abs(step).mean()) if step.size else 0.0 for step in (np.diff(grey, axis=0), np.diff(grey, axis=1))]
