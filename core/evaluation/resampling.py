"""The bootstrap as row weights: a resample is how often each row was drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medplug.core.errors import DataError, UsageError

CHUNK_BYTES = 32 * 2**20
EXACT_FLOAT32 = 2**23
"""Counts and half counts up to here are exact in float32 (AUROC gives half a win to a tie)."""


def bootstrap_weights(
    rows: int,
    *,
    groups: Sequence[str] | NDArray[Any] | None = None,
    resamples: int,
    seed: int,
    chunk: int | None = None,
) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield resamples as row counts, in chunks ``[b, rows]`` whose `b` add up to `resamples`.

    Without `groups` each resample draws `rows` rows with replacement; with them
    (one a row) it draws whole groups, as many as there are: the cluster
    bootstrap (Davison and Hinkley, 1997, section 3.8). What is drawn depends on
    `seed` alone, not on `chunk`, the resamples in a chunk (about 32 MB of them
    where it is None). float32 unless the counts could outgrow its exact integers.

    Raises DataError where there are no rows or not one group a row, and
    UsageError for fewer than one resample.
    """
    members, sizes = _units(rows, groups)
    if resamples < 1:
        raise UsageError(f"resamples is {resamples}; a bootstrap needs at least 1 (1000 is usual)")
    dtype = np.float32 if len(sizes) * sizes.max() < EXACT_FLOAT32 else np.float64
    chunk = chunk or max(1, CHUNK_BYTES // (rows * np.dtype(dtype).itemsize))
    return _chunks(members, len(sizes), rows, resamples, chunk, dtype, np.random.default_rng(seed))


def _units(
    rows: int, groups: Sequence[str] | NDArray[Any] | None
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """The group number of each row (None: a row is its own) and the size of each group."""
    if rows < 1:
        raise DataError("there are no rows to resample; an interval needs at least one")
    if groups is None:
        return None, np.ones(rows, dtype=np.int64)
    if len(groups) != rows:
        raise DataError(f"{len(groups)} groups for {rows} rows; give one group a row")
    _, first, members = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    # Numbered as they appear, so that renaming patients does not move an interval.
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[members], np.bincount(number[members])


def _chunks(
    members: NDArray[np.int64] | None,
    units: int,
    rows: int,
    resamples: int,
    chunk: int,
    dtype: type[np.float32] | type[np.float64],
    generator: np.random.Generator,
) -> Iterator[NDArray[np.floating[Any]]]:
    """Draw chunk after chunk, each in memory of its own."""
    for start in range(0, resamples, chunk):
        # One row's counts lie side by side: metrics gather and add rows, for all resamples at once.
        counts = np.empty((rows, min(chunk, resamples - start)), dtype=dtype)
        for column in range(counts.shape[1]):
            drawn = np.bincount(generator.integers(0, units, size=units), minlength=units)
            counts[:, column] = drawn if members is None else drawn[members]
        yield counts.T
