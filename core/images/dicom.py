"""DICOM images as they are meant to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medplug.core.errors import ConfigError
from medplug.core.images.dicom_values import modality_values, palette_colours, places, shown_values, unpadded
from medplug.core.images.reading import ImageError, Reading, check_size
from medplug.core.images.scaling import Array, levels, pictured, sized, value_range
from medplug.core.images.store import Pixels

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read_dicom(file: BinaryIO, reading: Reading) -> Pixels:
    """The kept frames of a DICOM file: grey after its modality and window transforms, or RGB.

    MONOCHROME1 is inverted: low is dark in every picture. Grey goes through
    `reading.window`, else the file's own VOI LUT or first window, else the
    0.1 to 99.9 percentiles of the kept frames without their padding; 8-bit
    values that have neither a window nor a rescale stay as they are. Raises
    `ImageError` where there are no pixels or no decoder for them.
    """
    header, source = _parsed(file)
    kept = reading.kept(int(header.get("NumberOfFrames") or 1))
    check_size(int(header.Rows), int(header.Columns), len(kept))
    meaning = header.get("PhotometricInterpretation")
    if meaning not in (*_GREY, *_COLOURS, "PALETTE COLOR"):
        what = "its photometric interpretation is not read"
        raise ImageError(f"{what}; allowed: {', '.join((*_GREY, 'PALETTE COLOR', *_COLOURS))}")
    stored = np.stack(_decoded(source, _syntax(header), kept))
    if meaning == "PALETTE COLOR":
        return pictured(palette_colours(stored, header), reading)
    if meaning in _COLOURS:
        return pictured(stored, reading)
    return sized(_grey(stored, header, kept, reading), reading.shortest)


def _grey(stored: Array, header: Dataset, kept: list[int], reading: Reading) -> Pixels:
    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    found = [places(header, frame) for frame in kept]
    values = [modality_values(frame, header, where) for frame, where in zip(stored, found, strict=True)]
    if not reading.window:
        shown = [shown_values(frame, header, where) for frame, where in zip(values, found, strict=True)]
        windowed = [levels(pair[0][None], pair[1], inverted=inverted) for pair in shown if pair]
        if len(windowed) == len(kept):
            return np.concatenate(windowed)
    whole = np.stack(values)
    if reading.window:
        return levels(whole, value_range(whole, reading.window), inverted=inverted)
    plain = whole.dtype in (np.uint8, np.bool_)
    return levels(whole, None if plain else value_range(unpadded(whole, stored, header)), inverted=inverted)


def _parsed(file: BinaryIO) -> tuple[Dataset, Any]:
    """The header, and what the frames are decoded from: the file, or the whole dataset where it is deflated."""
    try:
        from pydicom import dcmread
        from pydicom.uid import DeflatedExplicitVRLittleEndian
    except ImportError:
        raise ConfigError("reading DICOM needs pydicom: pip install 'medplug[imaging-formats]'") from None
    header: Dataset = dcmread(file, stop_before_pixels=True, force=True)
    source: Any = file
    if _syntax(header) == DeflatedExplicitVRLittleEndian:
        file.seek(0)
        header = source = dcmread(file, force=True)
        held = any(name in header for name in _PIXELS)
    else:
        held = bool(file.read(1))  # it stands where the pixels begin
    if not held or "Rows" not in header:
        why = ": it was cut off or stripped; copy it again" if "Rows" in header else " (a report or a plan)"
        raise ImageError(f"the DICOM file holds no pixels{why}")
    return header, source


def _syntax(header: Dataset) -> UID:
    """The transfer syntax; of a file that does not say, the one of its header."""
    from pydicom import uid

    said = header.file_meta.get("TransferSyntaxUID")
    if said:
        return uid.UID(said)
    implicit, little = header.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _decoded(source: Any, syntax: UID, kept: list[int]) -> list[Array]:
    """The kept frames, ``[h, w]`` as stored or ``[h, w, 3]`` in RGB."""
    from pydicom.pixels.utils import iter_pixels

    _check_decoder(syntax)
    try:
        return list(iter_pixels(source, indices=kept, transfer_syntax_uid=syntax))
    except Exception:
        if not syntax.is_encapsulated:
            raise
        what = f"its pixels ({_name(syntax)}) cannot be decoded: damaged, or beyond the decoders that are installed"
        raise ImageError(f"{what}; copy it again, or: pip install {_packages(syntax)}") from None


def _check_decoder(syntax: UID) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise ImageError(f"pixels compressed as {_name(syntax)} are not read; export them uncompressed") from None
    if not decoder.is_available:
        what = f"its pixels are compressed as {_name(syntax)}, and no decoder for it is installed"
        raise ImageError(f"{what}: pip install {_packages(syntax)}")


def _name(syntax: UID) -> str:
    # of an unknown one only what stands in the file could be told
    return syntax.name if syntax.name != str(syntax) else "an unknown transfer syntax"


def _packages(syntax: UID) -> str:
    return "pylibjpeg pylibjpeg-openjpeg" if "2000" in syntax.name else "pylibjpeg pylibjpeg-libjpeg"
