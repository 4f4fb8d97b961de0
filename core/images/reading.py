"""What is wanted of an image file, and the size beyond which none is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from medplug.core.errors import DataError

MAX_PIXELS = 100_000_000
"""The most pixels of one picture or slice."""
MAX_KEPT = 5 * MAX_PIXELS
"""The most pixels of all slices that are kept of one file: they are in memory together."""


class ImageError(DataError):
    """An image that cannot be used. Its text is the short reason alone, without the file's name or content."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How images become pixels. ValueError where a number is not positive.

    `frames` is the most slices kept of a volume, evenly spaced. A larger image
    is scaled down, area-averaged, until its shorter side is `shortest`; none
    is scaled up. `window` is ``(centre, width)`` in the file's own units, as
    Hounsfield; None is the file's own window, else the 0.1 to 99.9 percentiles
    of what is kept. It holds for DICOM in grey and for every type wider than 8
    bits: other 8-bit pixels stay as they are.
    """

    frames: int
    shortest: int
    window: tuple[float, float] | None

    def __post_init__(self) -> None:
        if self.frames < 1 or self.shortest < 1 or (self.window and not self.window[1] > 0):
            got = f"frames {self.frames}, shortest {self.shortest}, window {self.window}"
            raise ValueError(f"frames, shortest and the width of the window must be positive; got {got}")

    def kept(self, count: int) -> list[int]:
        """Which of `count` slices are kept, ascending: the middles of `frames` equal spans, or all."""
        wanted = min(count, self.frames)
        return [(2 * place + 1) * count // (2 * wanted) for place in range(wanted)]


def check_size(height: int, width: int, kept: int = 1) -> None:
    """Refuse a picture, or `kept` slices of one size, before they are decoded; raises `ImageError`."""
    size = f"{width:,} x {height:,} pixels"
    if height < 1 or width < 1 or kept < 1:
        raise ImageError(f"it holds no pixels: its header says {size}, {kept} slice(s); export it again")
    if height * width > MAX_PIXELS:
        allowed = f"at most {MAX_PIXELS // 10**6} megapixels are read"
        raise ImageError(f"it is too large: {size}; {allowed}: scale it down or cut it into tiles")
    if height * width * kept > MAX_KEPT:
        allowed = f"at most {MAX_KEPT // 10**6} megapixels are kept of one file"
        raise ImageError(f"it is too large: {kept} slices of {size}; {allowed}: keep fewer slices or scale it down")
