"""Values that can say what stands for their content."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Digested(Protocol):
    """A raw value with sixteen bytes that are equal where the contents of two are (an image, a signal, a row)."""

    @property
    def digest(self) -> bytes:
        """The sixteen bytes."""
