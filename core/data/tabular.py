"""The values of a patient's row, as tasks hand them to backbones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns are numbers and which are categories, in the order of a row's values."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]


@dataclass(frozen=True)
class TableRow:
    """One row: `numbers` float64 ``[numeric]``, NaN where missing, and `names`, one text a category or None."""

    columns: TableColumns
    numbers: NDArray[np.float64]
    names: tuple[str | None, ...]

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        told = repr((self.columns, self.names)).encode()
        return hashlib.blake2b(told + self.numbers.tobytes(), digest_size=16).digest()
