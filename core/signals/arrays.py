"""``.npy`` and ``.npz`` files: plain arrays whose headers are read before their numbers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.signals.reading import MAX_NUMBERS, Raw, SignalError

Shape = tuple[int, ...]

MAX_ARCHIVE = 1_000_000_000
"""The most numbers of one array of an archive of many signals."""
SIGNALS = ("signal", "signals", "x", "X")
"""Names of the array that holds signals."""
RATES = ("rate", "fs", "sampling_rate")
"""Names of the array that holds the rate, one number."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError, MemoryError, OSError)


def read_npy(path: Path) -> Raw:
    """The array of a ``.npy`` file; `SignalError` where it is no plain array of numbers, or a cut-off one."""
    with _damage_told(), path.open("rb") as file:
        shape, dtype = _header(file)
        _check(shape, dtype, MAX_NUMBERS)
        if path.stat().st_size - file.tell() != int(np.prod(shape)) * dtype.itemsize:
            raise SignalError("it is cut off: its header tells of another size; copy it again")
        file.seek(0)
        return Raw(np.lib.format.read_array(file, allow_pickle=False))


def read_npz(path: Path) -> Raw:
    """One recording of a ``.npz`` file: its only array but for the rate, or the one named as in `SIGNALS`."""
    with Archive(path) as archive:
        rate = archive.rate()
        return Raw(archive.read(archive.named(None), MAX_NUMBERS), rate)


class Archive:
    """A ``.npz`` file, open. `shapes` maps the names of its arrays to their shapes.

    Everything of it raises `SignalError` where the file is damaged or holds a pickle.
    """

    def __init__(self, path: Path) -> None:
        with _damage_told():
            self._file = zipfile.ZipFile(path)
            self._names = [name.removesuffix(".npy") for name in self._file.namelist() if name.endswith(".npy")]
            self.shapes: Mapping[str, Shape] = {name: self._shape(name) for name in self._names}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def named(self, name: str | None, *, without: str | None = None) -> str:
        """The array of signals: `name` if there is one, else one of `SIGNALS`, else the only other no scalar."""
        found = [each for each in (name, *SIGNALS) if each in self.shapes]
        arrays = [each for each, shape in self.shapes.items() if len(shape) and each not in (*RATES, without)]
        if not found and len(arrays) != 1:
            held = ", ".join(sorted(self.shapes)[:10]) or "none"
            raise SignalError(f"which of its arrays holds the signals? It has {held}; name it x or signal")
        return str((found or arrays)[0])

    def rate(self) -> float | None:
        """The rate, where an array of one number gives it."""
        for name in RATES:
            if self.shapes.get(name) in ((), (1,)):
                return float(self.read(name, 1).reshape(-1)[0])
        return None

    def read(self, name: str, most: int, kinds: str = "buif") -> NDArray[Any]:
        """An array of at most so many numbers; `kinds` are numpy's letters for the types that are read."""
        with _damage_told(), self._file.open(f"{name}.npy") as member:
            shape, dtype = _header(member)
            _check(shape, dtype, most, kinds)
        with _damage_told(), self._file.open(f"{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def _shape(self, name: str) -> Shape:
        with self._file.open(f"{name}.npy") as member:
            return _header(member)[0]


def _header(file: IO[bytes]) -> tuple[Shape, np.dtype[Any]]:
    shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    if any(side < 0 for side in shape):
        raise SignalError("its header is damaged; write it again")
    return shape, dtype


def _check(shape: Shape, dtype: np.dtype[Any], most: int, kinds: str = "buif") -> None:
    if dtype.hasobject:
        raise SignalError("it holds Python objects (a pickle), which are never loaded; save plain numbers")
    if dtype.kind not in kinds:
        raise SignalError(f"it holds {dtype}; plain numbers are needed")
    count = 1
    for side in shape:  # numpy's own product may overflow on a header that lies
        count *= side
    if count > most:
        raise SignalError(f"it is too large: {list(shape)}; at most {most:,} numbers are read")


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except SignalError:
        raise
    except _DAMAGE:  # what numpy says may quote what the file holds
        raise SignalError("it is no file of plain arrays, or a damaged one; write or copy it again") from None
