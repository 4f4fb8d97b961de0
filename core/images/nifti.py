"""NIfTI volumes as slices, the way radiologists look at them."""

from __future__ import annotations

from io import BufferedIOBase
from typing import Any

import numpy as np

from medplug.core.errors import ConfigError
from medplug.core.images.reading import ImageError, Reading, check_size
from medplug.core.images.scaling import Array, pictured
from medplug.core.images.store import Pixels

_PLANES = {0: (2, 1), 1: (2, 0), 2: (1, 0)}
"""By the axis through the slices: the anatomical axes that become rows and columns."""


def read_nifti(file: BufferedIOBase, reading: Reading) -> Pixels:
    """The axial slices of a volume (of a series its first), from the feet up; a volume of one slice is one frame.

    The header's orientation is followed to the closest axes, and slices are
    shown as in radiology: the patient's right on the left of the picture, and
    up is anterior, or superior in a single coronal or sagittal slice (there
    anterior is on the left). Only the kept slices are read into memory. The
    file is one that is not packed, or one that unpacks as it is read.
    """
    image = _loaded(file)
    shape = (tuple(image.shape) + (1, 1, 1))[:3]
    if 0 in image.shape:
        raise ImageError(f"it holds no pixels: its header says {list(image.shape)}; export it again")
    axes, flips = _orientation(image.affine)
    through = _through(shape, axes)
    rows, columns = _PLANES[through]
    height, width = (shape[axes[axis]] for axis in (rows, columns))
    count = shape[axes[through]]
    kept = reading.kept(count)
    check_size(height, width, len(kept))
    stored = [count - 1 - place if flips[through] else place for place in kept]
    values = _slices(image.dataobj, shape, axes[through], stored)
    order = (axes[through], axes[rows], axes[columns])
    frames = values.transpose(*order, *range(3, values.ndim))
    # both axes of a picture run against RAS+: down is posterior or inferior, right is the patient's left or posterior
    frames = frames[:, :: 1 if flips[rows] else -1, :: 1 if flips[columns] else -1]
    return pictured(frames, reading)


def _loaded(file: BufferedIOBase) -> Any:
    try:
        import nibabel
    except ImportError:
        raise ConfigError("reading NIfTI needs nibabel: pip install 'medplug[imaging-formats]'") from None
    newer = file.read(8)[4:7] == b"n+2"
    file.seek(0)
    kind = nibabel.Nifti2Image if newer else nibabel.Nifti1Image
    return kind.from_stream(file)


def _orientation(affine: Array) -> tuple[list[int], list[bool]]:
    """For each anatomical axis (right, anterior, superior) the stored axis closest to it, and whether it runs back."""
    from nibabel.orientations import io_orientation

    found = io_orientation(affine)  # type: ignore[no-untyped-call]
    if np.isnan(found).any():
        raise ImageError("its header tells no orientation (sform and qform); save it with one")
    axes = [int(axis) for axis in np.argsort(found[:, 0])]
    return axes, [bool(found[axis, 1] < 0) for axis in axes]


def _through(shape: tuple[int, ...], axes: list[int]) -> int:
    """The anatomical axis along which the slices lie: superior, or the only one of length 1."""
    single = [axis for axis in range(3) if shape[axes[axis]] == 1]
    return single[0] if len(single) == 1 else 2


def _slices(data: Any, shape: tuple[int, ...], axis: int, kept: list[int]) -> Array:
    """The volume with nothing but the kept places of an axis, in their order: ``[x, y, z(, 3)]``.

    A file is read from its beginning to its end once, for going back in a
    packed one means unpacking it again.
    """
    if axis == 2:
        planes = {place: _plane(data, shape, place) for place in sorted(kept)}
        return np.stack([planes[place] for place in kept], axis=2)
    return np.stack([np.take(_plane(data, shape, place), kept, axis=axis) for place in range(shape[2])], axis=2)


def _plane(data: Any, shape: tuple[int, ...], place: int) -> Array:
    """One plane of the file, of a series its first: ``[x, y]``, or ``[x, y, 3]`` of a volume in colour."""
    dimensions = len(data.shape)
    index = (slice(None), slice(None), place, *(0,) * dimensions)
    plane = np.asarray(data[index[:dimensions]])
    if plane.dtype.names:
        plane = np.stack([plane[name] for name in plane.dtype.names[:3]], axis=-1)
    if plane.dtype.kind not in "buif":
        raise ImageError(f"it holds {plane.dtype} numbers; save the magnitude or the real part")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which counts as the smallest
        plane = plane.astype(np.float32) if plane.dtype.kind == "f" else plane
    return plane.reshape(*shape[:2], *plane.shape[2:])
