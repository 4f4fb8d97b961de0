"""The masks of a table: read beside their images, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medplug.core.errors import DataError
from medplug.core.images.decoding import decode_all
from medplug.core.images.formats import ImageError
from medplug.core.images.masks import (
    Mask,
    Size,
    check_same_size,
    compact,
    highest_class,
    nearest,
    picture_size,
    read_mask,
)
from medplug.core.images.references import ArchiveRow, InMemory, Reference
from medplug.core.images.store import ImageStore, Pixels, StoredImage

ONLY = "lesion"
"""What the class is called where masks have one and it was given no name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A mask to be read, with its image's reference and what that image is stored as; equal pairs are read once."""

    mask: Reference
    image: Reference
    stored: tuple[int, ...]


def read_masks(
    pairs: Sequence[Pair | None],
    names: tuple[str, ...],
    resolution: int,
    store: ImageStore,
    report: Callable[[int, int], None],
) -> list[tuple[StoredImage, tuple[str, ...]] | ImageError | None]:
    """Each pair's mask, in class numbers and as large as its stored image, with the names of the classes in it.

    `names` are those of the classes 1, 2 ..., where they were given. What the
    numbers mean is decided for all masks together, because one alone may happen
    to hold only some of them: one name, or a number above 31 anywhere, makes
    every pixel but 0 the one class; else numbers are classes. None stays None.
    """

    def decode(pair: Pair) -> Pixels:
        return nearest(_numbers(pair, resolution), (pair.stored[1], pair.stored[2]))[None]

    decoded = iter(decode_all([pair for pair in pairs if pair], decode, store.beside(), report))
    found = [next(decoded) if pair else None for pair in pairs]
    largest = [int(each.pixels().max(initial=0)) for each in found if isinstance(each, StoredImage)]
    classes = names or _class_names(highest_class(largest))
    done: dict[bytes, tuple[StoredImage, tuple[str, ...]] | ImageError] = {}

    def named(numbers: StoredImage) -> tuple[StoredImage, tuple[str, ...]] | ImageError:
        if numbers.digest not in done:
            done[numbers.digest] = _classed(numbers.pixels(), classes, store)
        return done[numbers.digest]

    return [named(each) if isinstance(each, StoredImage) else each for each in found]


def mask_classes(labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The classes of training masks whose classes have no names of their own, by those that are in each.

    Of numbers they are 1 to the highest, so that a class's number is its place.
    Raises `DataError` where no mask marks a pixel.
    """
    present = {name for names in labels for name in names}
    if not present:
        raise DataError("no training mask marks a pixel; look at data.mask")
    if ONLY in present and len(present) > 1:
        raise DataError(
            "the masks of one training table hold a single class and those of another several numbers\n"
            'name the classes of both, as in task.classes=["nerve","vessel"]'
        )
    return _class_names(1 if ONLY in present else max(int(name) for name in present))


def _class_names(highest: int) -> tuple[str, ...]:
    return (ONLY,) if highest <= 1 else tuple(str(number) for number in range(1, highest + 1))


def _classed(
    numbers: Pixels, classes: tuple[str, ...], store: ImageStore
) -> tuple[StoredImage, tuple[str, ...]] | ImageError:
    if len(classes) == 1:
        numbers = (numbers > 0).astype(np.uint8)
    if numbers.max(initial=0) > len(classes):
        return ImageError(f"it holds numbers above {len(classes)}, and task.classes names so many classes")
    present = tuple(classes[number - 1] for number in np.unique(numbers) if number)
    return store.add(numbers), present


def _numbers(pair: Pair, resolution: int) -> Mask:
    """A mask's numbers at its own size, which must be that of the image."""
    if pair.stored[0] > 1:
        raise ImageError("masks are for plain pictures, and its image is a volume")
    size, shortest = _size(pair, resolution)
    if isinstance(pair.mask, Path):
        return read_mask(pair.mask, size, shortest)
    if isinstance(pair.mask, ArchiveRow):
        raise ImageError("a mask in an archive is not read; give it as a file")
    numbers = pair.mask.array() if isinstance(pair.mask, InMemory) else pair.mask.draw()
    if numbers.ndim == 2:
        check_same_size((numbers.shape[0], numbers.shape[1]), size, shortest)
    return compact(numbers)


def _size(pair: Pair, resolution: int) -> tuple[Size, int | None]:
    """The image's own size, or its stored one and the length of the shorter side that it was scaled down to."""
    stored = (pair.stored[1], pair.stored[2])
    if min(stored) < resolution:
        return stored, None
    own = picture_size(pair.image) if isinstance(pair.image, Path) else None
    return (own, None) if own else (stored, resolution)
