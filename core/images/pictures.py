"""PNG, JPEG, TIFF and their like: what Pillow reads, upright, in grey or RGB."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base as Tag
from PIL.ImageFile import ImageFile

from medplug.core.images.reading import MAX_PIXELS, ImageError, Reading, check_size
from medplug.core.images.scaling import Array, over_black, pictured, target_size
from medplug.core.images.store import Pixels

_WIDE = ("I", "F")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(file: BinaryIO, kind: str, reading: Reading) -> Pixels:
    """The pixels of a file of a `kind` that Pillow knows; of a TIFF its pages, of an animation its first frame.

    Of a TIFF only the pages as large as the first are frames: the others are
    previews. Raises `ImageError` for what is too large, before it is decoded,
    and whatever Pillow raises for what is damaged.
    """
    with _opened(file, kind) as image:
        pages = _pages(image) if kind == "TIFF" else [0]
        kept = [pages[place] for place in reading.kept(len(pages))]
        check_size(image.height, image.width, len(kept))
        if kind == "JPEG":
            _draft(image, reading.shortest)
        inverted = kind == "TIFF" and image.mode.startswith(_WIDE) and _white_is_zero(image)
        return pictured(_stacked([_decoded(image, page) for page in kept]), reading, inverted=inverted)


def _opened(file: BinaryIO, kind: str) -> ImageFile:
    try:
        return Image.open(file, formats=(kind,))
    except Image.DecompressionBombError:
        allowed = f"at most {MAX_PIXELS // 10**6} megapixels are read"
        raise ImageError(f"it is too large; {allowed}: scale it down or cut it into tiles") from None
    except UnidentifiedImageError:
        what = f"its {kind} header is cut off or damaged, or says a width or height of 0"
        raise ImageError(f"{what}; copy or export it again") from None


def _pages(image: ImageFile) -> list[int]:
    """The numbers of the pages that are as large as the first."""
    size, found = image.size, [0]
    for page in range(1, getattr(image, "n_frames", 1)):
        image.seek(page)
        if image.size == size:
            found.append(page)
    image.seek(0)
    return found


def _draft(image: ImageFile, shortest: int) -> None:
    """Let the decoder of a JPEG halve it up to three times, to no less than twice the wanted size."""
    if min(image.size) >= 4 * shortest:
        width, height = target_size(image.width, image.height, shortest)
        image.draft(image.mode, (2 * width, 2 * height))


def _white_is_zero(image: ImageFile) -> bool:
    """Pillow turns such pages of 8 bits over, but not wider ones."""
    return bool(getattr(image, "tag_v2", {}).get(Tag.PhotometricInterpretation) == 0)


def _decoded(image: ImageFile, page: int) -> Array:
    """One page as ``[h, w]`` or ``[h, w, 3]``, upright."""
    if page:
        image.seek(page)
    image.load()
    turn = _TURNS.get(_orientation(image))
    upright = image if turn is None else image.transpose(turn)
    if image.mode.startswith(_WIDE):
        return np.asarray(upright)
    if image.has_transparency_data:
        return over_black(np.asarray(upright.convert("RGBA")))
    return np.asarray(upright.convert("L" if image.mode in ("1", "L") else "RGB"))


def _orientation(image: ImageFile) -> int:
    try:
        return int(image.getexif().get(Tag.Orientation, 1))
    except Exception:  # a damaged note about a sound picture
        return 1


def _stacked(pages: list[Array]) -> Array:
    """Pages of one size; grey ones become RGB where others are."""
    if any(page.ndim == 3 for page in pages):
        pages = [page if page.ndim == 3 else np.repeat(page[..., None], 3, axis=2) for page in pages]
    return np.stack(pages) if len(pages) > 1 else pages[0][None]
