"""The built-in sample: real values, a generated signal, and room for both."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medplug.core.plain.signal import PlainSignal
from medplug.core.signals.signal import Signal
from medplug.plugins.multimodal.sample import MISSING, SAMPLES, sample
from medplug.plugins.multimodal.sample_columns import COLUMNS, SIGNAL


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return sample()


def values(table: pl.DataFrame) -> Any:
    return table.select(COLUMNS).to_numpy().astype(np.float64)


def test_it_is_the_same_each_time(table: pl.DataFrame) -> None:
    assert sample().equals(table)


def test_it_names_the_generated_part_and_no_patients(table: pl.DataFrame) -> None:
    assert table.columns == [*COLUMNS, "generated_signal", "label"]
    assert table.height == 569
    assert table["label"].value_counts().sort("label")["count"].to_list() == [357, 212]


def test_its_values_are_the_real_ones(table: pl.DataFrame) -> None:
    real = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in real.feature_names]
    for column in COLUMNS:
        own = table[column].drop_nulls().to_numpy()
        assert np.isin(own, real.data[:, names.index(column)]).all()


def test_a_tenth_of_the_values_and_of_the_signals_is_missing_and_no_row_is_empty(table: pl.DataFrame) -> None:
    assert np.isnan(values(table)).mean() == pytest.approx(MISSING, abs=0.02)
    assert table[SIGNAL].null_count() / table.height == pytest.approx(MISSING, abs=0.03)
    assert not (np.isnan(values(table)).all(axis=1) & table[SIGNAL].is_null().to_numpy()).any()
    assert set(table[SIGNAL].drop_nulls().list.len()) == {SAMPLES}


def test_what_is_missing_says_nothing_of_the_label(table: pl.DataFrame) -> None:
    ill = (table["label"] == "malignant").to_numpy()
    lost = table[SIGNAL].is_null().to_numpy()
    assert abs(lost[ill].mean() - lost[~ill].mean()) < 0.06


def test_each_modality_adds_to_the_other(table: pl.DataFrame) -> None:
    ill = (table["label"] == "malignant").to_numpy()
    rows = [None if each is None else Signal(np.array([each], dtype=np.float32)) for each in table[SIGNAL].to_list()]
    told = PlainSignal().fit_transform(rows)

    def auroc(*parts: Any) -> float:
        model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.1))
        chances = cross_val_predict(model, np.hstack(parts), ill, cv=10, method="predict_proba")[:, 1]
        return float(roc_auc_score(ill, chances))

    alone, signal, both = auroc(values(table)), auroc(told), auroc(values(table), told)
    assert 0.85 < alone < 0.92 and 0.72 < signal < 0.9
    assert both > max(alone, signal) + 0.02
