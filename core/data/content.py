"""What stands for the content of a raw value: equal contents are computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

_BYTES = 16


@runtime_checkable
class Digested(Protocol):
    """A raw value with sixteen bytes that are equal where the contents of two are (an image, a signal, a row)."""

    @property
    def digest(self) -> bytes:
        """The sixteen bytes."""


def content_key(value: Any) -> bytes:
    """Sixteen bytes that stand for a raw value: equal content, equal key."""
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
    elif isinstance(digest := getattr(value, "digest", None), bytes):  # an image, a signal, a row of a table
        return digest
    elif isinstance(value, bytes):
        data = value
    else:
        array = np.ascontiguousarray(value)
        data = f"{array.dtype}{array.shape}".encode() + array.tobytes()
    return hashlib.blake2b(data, digest_size=_BYTES).digest()


@dataclass(frozen=True)
class JointRow:
    """One row of several modalities: its raw value by slot, None where it lacks that one."""

    values: Mapping[str, Any]

    def __getitem__(self, slot: str) -> Any:
        return self.values[slot]

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        told = hashlib.blake2b(digest_size=_BYTES)
        for slot, value in sorted(self.values.items()):
            if value is not None:
                told.update(f"{slot}\0".encode() + content_key(value))
        return told.digest()
