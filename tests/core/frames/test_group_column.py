"""Whose rows belong together stands beside predictions, and whose they are does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from medplug.core.frames.columns import with_groups
from medplug.core.task import Examples

SPLITS = ("validation", "test")
ROWS = pl.DataFrame({"split": ["validation"] * 2 + ["test"] * 3, "row": [4, 2, 1, 9, 3], "truth": list("abaab")})


def numbered(validation: list[str] | None, test: list[str] | None) -> pl.DataFrame:
    splits = {
        name: Examples(np.arange(count), {}, groups=groups)
        for name, count, groups in zip(SPLITS, (2, 3), (validation, test), strict=True)
    }
    dataset: Any = SimpleNamespace(splits=splits)
    return with_groups(ROWS.clone(), dataset, SPLITS)


def test_patients_are_numbered_as_they_appear_over_all_splits() -> None:
    found = numbered(["zoe", "adam"], ["adam", "mia", "zoe"])
    assert found.columns == ["split", "row", "group", "truth"]
    assert found["group"].to_list() == [1, 2, 2, 3, 1]
    assert found.drop("group").equals(ROWS)


def test_other_names_for_the_same_patients_change_nothing() -> None:
    one, other = numbered(["zoe", "adam"], ["adam", "mia", "zoe"]), numbered(["1", "2"], ["2", "0", "1"])
    assert one.equals(other) and "zoe" not in str(one)


def test_rows_without_patients_have_no_such_column() -> None:
    assert numbered(None, None).equals(ROWS)
    assert numbered(None, ["a", "b", "a"])["group"].to_list() == [None, None, 1, 2, 1]
