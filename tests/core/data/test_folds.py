"""A column of folds: which rows are tested on, chosen by and learned from."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from medplug.core.config import DataConfig
from medplug.core.data.dataset import Dataset, load_dataset
from medplug.core.data.folds import split_folds
from medplug.core.data.reading import fingerprints
from medplug.core.errors import DataError
from medplug.plugins.text_diagnosis.options import TextDiagnosisData, TextDiagnosisOptions
from medplug.plugins.text_diagnosis.task import TextDiagnosis

FOLDS = [0, 1, 2, 3, 4, 9]


def table(**columns: Any) -> pl.DataFrame:
    """Ten rows a fold, whose texts begin with it."""
    found = {
        "text": [f"{fold} note {i}" for fold in FOLDS for i in range(10)],
        "label": ["x", "y"] * 30,
        "fold": [fold for fold in FOLDS for _ in range(10)],
    }
    return pl.DataFrame({**found, **columns})


def load(frame: pl.DataFrame | None = None, **keys: Any) -> Dataset:
    data = TextDiagnosisData(**{"train": table() if frame is None else frame, "split_column": "fold", **keys})
    task = TextDiagnosis(TextDiagnosisOptions(), data)
    return load_dataset(task, data, by=(), seed=0, sample=False, sha256=fingerprints(task, data, ()))


def folds(found: Dataset, split: str) -> set[str]:
    return {text.split()[0] for text in found.splits[split].inputs["text"]}


def test_rows_go_where_their_fold_is_named_and_all_others_are_learned_from() -> None:
    found = load(test_folds="9", validation_folds="4")
    assert (folds(found, "test"), folds(found, "validation")) == ({"9"}, {"4"})
    assert folds(found, "train") == {"0", "1", "2", "3"}
    assert found.facts.split_by == "the column fold (test 9, validation 4)"


def test_without_validation_folds_validation_rows_are_cut_off_the_training_ones() -> None:
    found = load(test_folds=[9, 0])
    assert folds(found, "test") == {"9", "0"}
    assert len(found.splits["train"]) + len(found.splits["validation"]) == 40
    assert "are cut off its training rows by row, stratified by label" in found.facts.split_by


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
def test_folds_are_compared_as_texts_whatever_the_column_holds(dtype: Any) -> None:
    found = load(table().with_columns(pl.col("fold").cast(pl.Int64).cast(dtype)), test_folds=9, validation_folds=["4"])
    assert len(found.splits["test"]) == 10


def test_a_fold_that_no_row_has_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"data.test_folds: no row has the fold 7 in the column fold \(folds: 0, 1, 2"):
        load(test_folds="7")
    with pytest.raises(DataError, match="data.validation_folds: no row has the fold 8"):
        load(test_folds="9", validation_folds="8")


def test_a_column_of_many_values_is_not_listed() -> None:
    with pytest.raises(DataError) as told:
        split_folds([f"patient {i}" for i in range(40)], ["9"], [], column="who")
    assert "holds 40 other values" in str(told.value) and "patient" not in str(told.value)


def test_a_row_without_a_fold_is_told() -> None:
    with pytest.raises(DataError, match=r"2 row\(s\) have no fold in the column fold"):
        load(table(fold=[None, None, *["1"] * 28, *["9"] * 30]), test_folds="9")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"test_folds": ["9"]}, "data.split_column=COLUMN"),
        ({"split_column": "fold", "validation_folds": ["4"]}, "goes with data.test_folds"),
        ({"split_column": "fold", "test_folds": ["4", "9"], "validation_folds": ["4"]}, "not in both"),
        ({"shares": (0.8, 0.1, 0.2), "split": "random"}, "data.shares needs three shares that add up to 1"),
        ({"shares": (0.8, 0.1, 0.1), "split": (0.8, 0.1, 0.1)}, "give the shares once"),
        ({"shares": (0.8, 0.1, 0.1)}, "goes with a rule"),
        ({"split": "cold_drug"}, "give random, group, or three shares"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DataConfig(**keys)


def test_shares_stand_beside_a_rule() -> None:
    assert DataConfig(split="random", shares=(0.8, 0.1, 0.1)).fractions == (0.8, 0.1, 0.1)
    assert DataConfig(split="random").fractions == DataConfig().fractions == (0.7, 0.1, 0.2)


def test_texts_that_are_tested_on_and_learned_from_are_twins() -> None:
    again = table().with_columns(text=pl.when(pl.col("fold") == 9).then(pl.lit("1 NOTE 1")).otherwise(pl.col("text")))
    found = load(again, test_folds="9", validation_folds="4")
    assert found.twins is not None and found.twins.same.all()
    assert found.twins.near is not None and found.twins.near.all()
    assert not load(test_folds="9", validation_folds="4").twins.same.any()  # type: ignore[union-attr]
