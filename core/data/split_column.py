"""Splits that a column names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medplug.core.data.faults import short
from medplug.core.data.splits import LEFT_OUT, TEST, TRAIN, VALIDATION, Splits
from medplug.core.errors import DataError

_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "dev": VALIDATION,
    "val": VALIDATION,
    "test": TEST,
    "testing": TEST,
    "drop": LEFT_OUT,
    "exclude": LEFT_OUT,
    "excluded": LEFT_OUT,
}
_SHOWN = 4


def named_splits(values: Sequence[str | None], *, key: str) -> Splits:
    """The split ``[rows]`` that each value of a split column names, whatever its case; `LEFT_OUT` for a dropped row.

    `key` is the configuration key of the column. Raises `DataError` with the
    values that name no split and how many rows hold them.
    """
    names = {value: _NAMES.get(str(value).strip().lower(), "") for value in set(values)}
    splits = np.array([names[value] for value in values], dtype="U10")
    unknown = [value for value, split in names.items() if not split]
    if unknown:
        raise DataError(
            f"{key}: {int((splits == '').sum())} row(s) name no split: {_told(unknown)}\n"
            "allowed: train or training; validation, valid, dev or val; test or testing; drop or excluded (left out)"
        )
    return splits


def _told(values: Sequence[str | None]) -> str:
    """Unknown split names; a column of many values names no splits, and may name patients."""
    if len(values) > _SHOWN:
        return f"the column holds {len(values)} other values; is it the right one?"
    return ", ".join(sorted(repr(short(value)) if value else "an empty cell" for value in values))
