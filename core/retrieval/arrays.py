"""Arrays in safetensors files: written in blocks, and read as memory maps.

The layout is that of the safetensors format: eight bytes that say how long the header is, a header
in JSON with each array's type, shape and place, then the arrays themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import RunError

_TYPES = {"F32": np.float32, "F16": np.float16, "I32": np.int32, "I64": np.int64}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_ALIGNED = 8
_MOST_HEADER = 2**20
"""A header of a few arrays is some hundred bytes: more is no file of ours."""


def write_blocks(
    file: Path, name: str, shape: tuple[int, int], dtype: np.dtype[Any], blocks: Iterable[NDArray[Any]]
) -> None:
    """Write one array of a known shape ``[rows, width]`` block after block, so that it need not fit in memory.

    The blocks must add up to `shape`. Raises RunError where the file cannot be written.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    header = json.dumps({name: {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % _ALIGNED)
    try:
        with file.open("wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            for block in blocks:
                stream.write(np.ascontiguousarray(block, dtype=dtype).data)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror}") from None


def mapped(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file by name, read-only memory maps. Raises RunError where it cannot be read."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, _MOST_HEADER)))
        places = {name: place for name, place in header.items() if name != "__metadata__"}
        return {name: _mapped(file, 8 + length, place) for name, place in places.items()}
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror}; build the index anew") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{file}: not a whole safetensors file (cut off or damaged); build the index anew") from None


def _mapped(file: Path, start: int, place: dict[str, Any]) -> NDArray[Any]:
    shape, dtype = tuple(place["shape"]), np.dtype(_TYPES[place["dtype"]])
    begin, end = place["data_offsets"]
    if end - begin != int(np.prod(shape)) * dtype.itemsize:
        raise ValueError("the shape and the place differ")
    if 0 in shape:  # nothing to map
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, mode="r", offset=start + begin, shape=shape).view(np.ndarray)
