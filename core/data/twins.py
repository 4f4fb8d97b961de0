"""Test rows whose inputs, exactly or nearly, stand among the rows that a model is learned from and chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Alike:
    """Which rows are nearly the same: by split one key a row, equal where they are, and in words what that means.

    Nearly the same is meant in chains: rows with one key may be less like each
    other than each is like a third. An empty key is like nothing.
    """

    keys: Mapping[str, list[str]]
    means: str


@dataclass(frozen=True, slots=True)
class Twins:
    """Which test rows ``[rows]`` have a twin in training or validation: the same, or (None: unknown) nearly the same.

    `means` says in words what nearly the same is.
    """

    same: Flags
    near: Flags | None = None
    means: str = ""
