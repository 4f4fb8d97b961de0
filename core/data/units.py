"""Splits by a task's own rule: units that stay whole, and units of several kinds that are each divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medplug.core.data.splits import LEFT_OUT, TEST, TRAIN, VALIDATION, Splits, split_rows
from medplug.core.errors import DataError
from medplug.core.fields import Shares

Units = Mapping[str, Sequence[str]]
"""What rows stay together by: its name (``drug``) and one key a row."""


def split_units(labels: Sequence[Any], units: Units, *, rule: str, fractions: Shares, seed: int) -> Splits:
    """Draw ``train``, ``validation`` or ``test`` for every row ``[rows]`` so that no key is in two of them.

    Of one kind of unit whole units are drawn, stratified as `split_rows` does.
    Of several each is divided by itself, and a row whose keys fall in different
    splits is `LEFT_OUT`: with shares of 0.2 and two kinds about 0.04 of the rows
    are tested on. This is what the field calls a cold split by several entities.
    Raises `DataError` where there are fewer units than splits, or where no row is
    left in a split that was asked for.
    """
    asked = [name for name, share in zip((TRAIN, VALIDATION, TEST), fractions, strict=True) if share > 0]
    for name, keys in units.items():
        if (found := len(set(keys))) < len(asked):
            raise DataError(
                f"data.split={rule}: the rows have {found} different {name}(s), too few for {len(asked)} splits "
                "that share none; give more rows, or leave the rule out (data.split=random)"
            )
    drawn = [
        split_rows(labels, groups=keys, fractions=fractions, seed=seed + place)
        for place, keys in enumerate(units.values())
    ]
    agreed = np.all([each == drawn[0] for each in drawn], axis=0)
    where = np.where(agreed, drawn[0], LEFT_OUT).astype("U10")
    if lacking := [name for name in asked if not (where == name).any()]:
        raise DataError(
            f"data.split={rule}: no row of the {lacking[0]} split is left, as {' and '.join(units)} must both be of it"
            "\ngive larger shares (data.shares=[0.6,0.2,0.2]), another seed, or a rule that divides one of them"
        )
    return where


def told(units: Units, rule: str) -> str:
    """What rows were divided by, in words."""
    return f"{' and '.join(units)} ({rule})"


def left_out(units: Units) -> str:
    """Why rows were left out, in words."""
    return f"rows left out because their {' and '.join(units)} fall in different splits"
