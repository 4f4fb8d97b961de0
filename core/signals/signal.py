"""One recording, as tasks hand it to backbones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Signal:
    """Samples float32 ``[channels, samples]`` taken at `rate` a second (None: not known)."""

    samples: NDArray[np.float32]
    rate: float | None = None

    @cached_property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for its content."""
        told = f"{self.samples.shape} {self.rate}".encode()
        return hashlib.blake2b(told + np.ascontiguousarray(self.samples).tobytes(), digest_size=16).digest()
