"""``.npz`` archives of images: `images` and `labels`, or MedMNIST's names for each split."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medplug.core.errors import DataError
from medplug.core.images.references import ArchiveRow

SPLITS = ("train", "val", "test")
SPLIT_COLUMN = "split"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError)


def archive_table(archive: Path, image: str, label: str | None) -> pl.DataFrame:
    """The rows of an archive: a column of images and, where it has labels, one of these.

    `images` and `labels` give the rows, or ``train_images``, ``train_labels``,
    ``val_images`` ... (MedMNIST v2, 2023), whose rows a column `split` names.
    Labels of several 0/1 columns become lists of the columns' numbers. Raises
    `DataError` where the archive is damaged or holds something else.
    """
    with _damage_told(archive), zipfile.ZipFile(archive) as file:
        names = {name.removesuffix(".npy") for name in file.namelist()}
        if "images" in names:
            return pl.DataFrame(_rows(archive, file, names, "images", "labels", image, label))
        splits = [split for split in SPLITS if f"{split}_images" in names]
        parts = [
            pl.DataFrame(_rows(archive, file, names, f"{s}_images", f"{s}_labels", image, label)).with_columns(
                pl.lit(s).alias(SPLIT_COLUMN)
            )
            for s in splits
        ]
    if not parts:
        raise DataError(
            f"{archive}: it holds no images: its arrays are {', '.join(sorted(names)[:10]) or 'none'}\n"
            "name them images and labels, or as MedMNIST does train_images, train_labels, val_images ..."
        )
    return pl.concat(parts)


def _rows(
    archive: Path, file: zipfile.ZipFile, names: set[str], images: str, labels: str, image: str, label: str | None
) -> list[pl.Series]:
    with file.open(f"{images}.npy") as member:
        shape, _ = _header(archive, images, member)
    references = [ArchiveRow(archive, images, row) for row in range(shape[0])]
    columns = [pl.Series(image, references, dtype=pl.Object)]
    if label is not None and labels in names:
        with file.open(f"{labels}.npy") as member:
            found = np.lib.format.read_array(member, allow_pickle=False)
        if len(found) != shape[0]:
            raise DataError(f"{archive}: {images} has {shape[0]} rows and {labels} {len(found)}; both need as many")
        columns.append(_labels(archive, labels, label, found))
    return columns


def _labels(archive: Path, array: str, column: str, found: NDArray[Any]) -> pl.Series:
    flat = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if flat.dtype.kind not in "biufU" or flat.ndim > 2:
        raise DataError(f"{archive}: {array} is {list(found.shape)} of {found.dtype}; labels are numbers or texts [n]")
    if flat.ndim == 1:
        return pl.Series(column, flat.tolist())
    if not np.isin(flat, (0, 1)).all():
        raise DataError(f"{archive}: {array} has {flat.shape[1]} columns, so each is a label and must hold 0 or 1")
    return pl.Series(column, [[str(i) for i in np.flatnonzero(row)] for row in flat], dtype=pl.List(pl.String))


class ArrayFile:
    """The images of one array of an archive, unpacked to an unnamed file in `folder`, read one by one."""

    def __init__(self, archive: Path, array: str, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as this
        weakref.finalize(self, self._file.close)
        with _damage_told(archive), zipfile.ZipFile(archive) as file, file.open(f"{array}.npy") as member:
            self._shape, self._dtype = _header(archive, array, member)
            shutil.copyfileobj(member, self._file, 1 << 20)
        self._file.flush()
        self._bytes = int(np.prod(self._shape[1:])) * self._dtype.itemsize
        if os.fstat(self._file.fileno()).st_size != self._shape[0] * self._bytes:
            raise DataError(f"{archive}: {array} is cut short; copy the archive again")

    def read(self, row: int) -> NDArray[Any]:
        """One image; threads may read at once."""
        data = os.pread(self._file.fileno(), self._bytes, row * self._bytes)
        return np.frombuffer(data, dtype=self._dtype).reshape(self._shape[1:])


def _header(archive: Path, array: str, member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array of images; `DataError` where it cannot be one."""
    read = _HEADERS[np.lib.format.read_magic(member)]
    shape, by_column, dtype = read(member)
    if by_column:
        raise DataError(f"{archive}: {array} is in Fortran order; save it again through np.ascontiguousarray")
    if len(shape) not in (3, 4, 5) or dtype.kind not in "buif" or 0 in shape[1:]:
        wanted = "[n, height, width], with 3 more at the end for colour, of numbers"
        raise DataError(f"{archive}: {array} is {list(shape)} of {dtype}; images are {wanted}")
    return shape, dtype


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE:
        raise DataError(
            f"{archive}: not an .npz archive of plain arrays, or a damaged one; write or copy it again"
        ) from None
    except OSError as error:
        raise DataError(f"{archive}: it cannot be read: {error.strerror}; check the file") from None
