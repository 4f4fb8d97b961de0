"""From stored values to shown ones: DICOM's modality, window and palette transforms (PS3.3 C.11.1, C.11.2, C.7.9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medplug.core.images.scaling import Array, Range

if TYPE_CHECKING:
    from pydicom import Dataset

_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


def places(header: Dataset, frame: int) -> list[Dataset]:
    """Where the values of a frame may stand, the nearest first: its own groups, the groups of all, the header."""
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    groups = [*own[frame : frame + 1], *shared[:1]]
    items = [item for group in groups for name in _GROUPS for item in (group.get(name) or [])[:1]]
    return [*items, header]


def modality_values(frame: Array, header: Dataset, found: Sequence[Dataset]) -> Array:
    """Stored values ``[h, w]`` in the file's own units, as Hounsfield; the type stays where nothing is to be done."""
    bits = header.get("BitsStored")
    if bits == 1:
        return frame.astype(np.bool_)
    if item := _first_item(found, "ModalityLUTSequence"):
        return _looked_up(frame, item, header)
    slope, intercept = _number(found, "RescaleSlope"), _number(found, "RescaleIntercept")
    slope = 1.0 if slope is None else slope
    if (slope, intercept or 0.0) != (1.0, 0.0):
        return frame.astype(np.float32) * np.float32(slope) + np.float32(intercept or 0.0)
    # bytes of 8 bits are shown as they are; of fewer they must be stretched
    return frame.astype(np.uint16) if frame.dtype == np.uint8 and bits != 8 else frame


def shown_values(values: Array, header: Dataset, found: Sequence[Dataset]) -> tuple[Array, Range] | None:
    """`values` after the first VOI LUT or window, with those that are black and white; None without either."""
    if item := _first_item(found, "VOILUTSequence"):
        return _looked_up(values, item, header), (0.0, 2.0 ** int(item.LUTDescriptor[2]) - 1)
    centre, width = _number(found, "WindowCenter"), _number(found, "WindowWidth")
    if centre is None or width is None or not width > 0:
        return None
    function = next((str(place.VOILUTFunction) for place in found if "VOILUTFunction" in place), "LINEAR")
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values.astype(np.float32) - centre) / width, -50, 50)
        return 1 / (1 + np.exp(exponent)), (0.0, 1.0)
    if function == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-3)  # a width of 1 is a threshold
    return values, (centre - width / 2, centre + width / 2)


def palette_colours(frames: Array, header: Dataset) -> Array:
    """Indices ``[frames, h, w]`` as the RGB colours of the file's palette, uint8 ``[frames, h, w, 3]``."""
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(frames, header)[..., :3]
    # a palette of 16-bit entries may hold 8-bit ones
    return (colours >> 8 if colours.max(initial=0) > 255 else colours).astype(np.uint8)


def unpadded(values: Array, stored: Array, header: Dataset) -> Array:
    """Those of `values` whose `stored` value is not the padding around the picture."""
    value, limit = _number([header], "PixelPaddingValue"), _number([header], "PixelPaddingRangeLimit")
    if value is None:
        return values
    low, high = sorted((value, value if limit is None else limit))
    return values[(stored < low) | (stored > high)]


def _looked_up(values: Array, item: Dataset, header: Dataset) -> Array:
    """The entries of a lookup table for `values`; outside it the first and the last entry."""
    entries, first = int(item.LUTDescriptor[0]) or 2**16, int(item.LUTDescriptor[1])
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if header.original_encoding[1] else ">"
        data = np.frombuffer(data, dtype=f"{order}u{max(1, len(data) // entries)}")
    table = np.asarray(data).astype(np.uint16)[:entries]
    return table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)]


def _first_item(found: Sequence[Dataset], keyword: str) -> Dataset | None:
    return next((place.get(keyword)[0] for place in found if place.get(keyword)), None)


def _number(found: Sequence[Dataset], keyword: str) -> float | None:
    """The first value of an element, or None where no place holds a number of that name."""
    for place in found:
        try:
            value = place.get(keyword)
            number = float(value if isinstance(value, (int, float, str)) else value[0])
        except (TypeError, ValueError, IndexError):
            continue
        if np.isfinite(number):
            return number
    return None
