"""An image file of any kind into pixels: told by its content, refused with a reason."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from medplug.core.errors import ConfigError
from medplug.core.images.dicom import read_dicom
from medplug.core.images.nifti import read_nifti
from medplug.core.images.pictures import read_picture
from medplug.core.images.quiet import quiet
from medplug.core.images.reading import ImageError, Reading
from medplug.core.images.scaling import to_pixels
from medplug.core.images.store import Pixels

__all__ = ["ImageError", "Reading", "read_image", "to_pixels"]

KINDS = "PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PGM, DICOM and NIfTI"
_HEAD = 352
"""So many bytes tell what a file is: a NIfTI says it last, at 344."""
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\x00\x00\x00\x0cjP  ": "JPEG2000",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
}
_OTHERS = {
    b"%PDF": "it is a PDF: export its pages as PNG",
    b"PK\x03\x04": "it is a ZIP archive: unpack it",
    b"\x89HDF": "it is an HDF5 file: export its images as PNG, TIFF or .npz",
}


def read_image(path: Path, reading: Reading) -> Pixels:
    """The pixels of a file: ``[frames, height, width]``, or ``[frames, height, width, 3]`` where it has colour.

    The kind is told by the content, not by the name. Raises `ImageError`,
    whose text is a short reason, and `ConfigError` where the package that
    reads such files is not installed. Threads may call it at once.
    """
    with _opened(path) as file, quiet():
        kind = "file"
        try:
            kind = _kind(file)
            file.seek(0)
            return _read(file, kind, reading)
        except (ImageError, ConfigError):
            raise
        except MemoryError:
            raise ImageError("there is too little memory to decode it: scale it down or keep fewer slices") from None
        except Exception:  # whatever a decoder says may quote what the file holds
            what = f"the {kind} is cut off, damaged or of a kind that is not read"
            raise ImageError(f"{what}; copy or export it again") from None


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """The file, if it is one that may be read and is not empty."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError("this is a folder, not a file; give one of its images")
        if not stat.S_ISREG(mode):
            raise ImageError("this is not a regular file; give an image file")
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a null byte is a ValueError
        raise ImageError("there is no such file; check the path") from None
    except PermissionError:
        raise ImageError("it may not be read (permission denied); allow it with: chmod u+r") from None
    except OSError as error:
        raise ImageError(f"it cannot be opened ({error.strerror}); check the path") from None
    with file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ImageError("the file is empty (0 bytes); copy it again from where it came")
        yield file


def _read(file: BufferedReader, kind: str, reading: Reading) -> Pixels:
    if kind == "DICOM":
        return read_dicom(file, reading)
    if kind == "NIfTI":
        return read_nifti(file, reading)
    if kind == "packed NIfTI":
        with gzip.open(file) as unpacked:
            return read_nifti(unpacked, reading)
    return read_picture(file, kind, reading)


def _kind(file: BufferedReader) -> str:
    """What the file is; raises `ImageError` for what is no image."""
    head = file.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        return _packed(file)
    if _is_dicom(head):
        return "DICOM"
    if _is_nifti(head):
        return "NIfTI"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    raise ImageError(_not_an_image(head))


def _packed(file: BufferedReader) -> str:
    file.seek(0)
    with gzip.open(file) as unpacked:
        if _is_nifti(unpacked.read(_HEAD)):
            return "packed NIfTI"
    raise ImageError("it is packed with gzip and holds no NIfTI: unpack it")


def _is_dicom(head: bytes) -> bool:
    """Whether it says so, or begins as files without the preamble do: with group 2 or 8 and its first elements."""
    bare = head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00" and head[2] < 0x20 and len(head) > 8
    return head[128:132] == b"DICM" or (bare and (head[4:6].isalpha() or head[6:8] == b"\x00\x00"))


def _is_nifti(head: bytes) -> bool:
    if head[344:348] == b"ni1\x00" or head[4:8] == b"ni2\x00":
        raise ImageError("it is the header of a NIfTI pair (.hdr and .img); save them as one .nii")
    return head[344:348] == b"n+1\x00" or head[4:8] == b"n+2\x00"


def _not_an_image(head: bytes) -> str:
    for start, what in _OTHERS.items():
        if head.startswith(start):
            return what
    try:
        text = b"\x00" not in head and bool(head[:200].decode())
    except UnicodeDecodeError:
        text = False
    what = "it holds text" if text else "its content is of no known kind"
    return f"it is not an image: {what}; read are {KINDS}"
