"""Splits by a fold column: the folds to test on, those to choose by, and the others to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medplug.core.data.faults import short
from medplug.core.data.splits import TEST, TRAIN, VALIDATION, Splits
from medplug.core.errors import DataError

_SHOWN = 20


def split_folds(values: Sequence[str], test: Sequence[str], validation: Sequence[str], *, column: str) -> Splits:
    """``test`` and ``validation`` where a row's fold is among those, else ``train`` ``[rows]``.

    Raises `DataError` for rows without a fold, and for a fold that no row has.
    """
    if empty := sum(not value for value in values):
        raise DataError(f"data.split_column: {empty} row(s) have no fold in the column {column}; fill them in")
    known = set(values)
    for key, folds in (("data.test_folds", test), ("data.validation_folds", validation)):
        if unknown := [fold for fold in folds if fold not in known]:
            raise DataError(f"{key}: no row has the fold {', '.join(unknown)} in the column {column} ({_told(known)})")
    splits = np.full(len(values), TRAIN, dtype="U10")
    for name, folds in ((TEST, test), (VALIDATION, validation)):
        splits[np.isin(np.array(values, dtype=np.str_), list(folds))] = name
    return splits


def _told(known: set[str]) -> str:
    """The folds there are; a column of many values names no folds, and may name patients."""
    if len(known) > _SHOWN:
        return f"the column holds {len(known)} other values; is it the right one?"
    return f"folds: {', '.join(sorted(map(short, known)))}"
