"""What each drug and each protein scores in a run: names, summary and table."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.targets import Target
from medplug.core.evaluation.scores import point
from medplug.core.frames.entities import entity_frame
from medplug.core.judging.entities import by_entity, summary
from medplug.core.task import Examples

KD = Target("regression", ("pKd",))
CALLED = {"CCO": "ethanol", "CCN": "twin", "CCC": "twin"}


def task(*slots: str) -> Any:
    return SimpleNamespace(entities=slots, entity_name=lambda slot, value: CALLED.get(value))


def pairs(rows: int = 80) -> tuple[Examples, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    drugs = draw.choice(["CCO", "CCN", "CCC", "SECRETSMILES"], rows).tolist()
    proteins = [f"M{'A' * i}" for i in range(rows)]
    labels = draw.normal(7, 1, rows)
    examples = Examples(np.arange(101, 101 + rows), {"drug": drugs, "protein": proteins}, labels.tolist())
    return examples, labels, labels[:, None] + draw.normal(size=(rows, 1))


def test_each_entity_has_its_rows_its_first_row_and_its_scores() -> None:
    test, labels, predicted = pairs()
    (drugs,) = by_entity(task("drug"), test, KD, labels, predicted, ["mse"])
    assert drugs.rows.sum() == 80 and len(drugs.names) == 4 and drugs.scored == 4
    ethanol = drugs.names.index("ethanol")
    own = np.array([drug == "CCO" for drug in test.inputs["drug"]])
    assert drugs.rows[ethanol] == own.sum() and drugs.first[ethanol] == 101 + own.argmax()
    assert drugs.values["mse"][ethanol] == pytest.approx(point(KD, labels[own], predicted[own], "mse"))


def test_names_are_told_apart_and_no_content_is_one() -> None:
    test, labels, predicted = pairs()
    (drugs,) = by_entity(task("drug"), test, KD, labels, predicted, ["mse"])
    twins = [name for name in drugs.names if name.startswith("twin (")]
    unnamed = [name for name in drugs.names if name.startswith("drug ")]
    assert len(set(twins)) == 2 and len(unnamed) == 1 and len(unnamed[0]) == len("drug 01234567")


def test_a_task_that_names_no_entities_is_told_nothing_of_them() -> None:
    assert by_entity(task(), *[pairs()[0], KD, *pairs()[1:]], ["mse"]) == ()


def test_the_summary_has_macro_average_and_quartiles_and_is_json() -> None:
    test, labels, predicted = pairs()
    found = by_entity(task("drug", "protein"), test, KD, labels, predicted, ["mse", "c_index"])
    told = summary(found)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    mse = found[0].values["mse"]
    assert told["drug"]["metrics"]["mse"]["mean"] == pytest.approx(mse.mean())
    assert told["drug"]["metrics"]["mse"]["quartiles"][1] == pytest.approx(np.median(mse))
    assert (told["protein"]["entities"], told["protein"]["scored"]) == (80, 0)
    assert told["protein"]["metrics"]["mse"] == {"n": 0, "mean": None, "quartiles": None}


def test_the_table_has_a_row_an_entity_and_null_where_nothing_was_scored() -> None:
    test, labels, predicted = pairs()
    found = by_entity(task("drug", "protein"), test, KD, labels, predicted, ["mse"])
    frame = entity_frame(KD, found)
    assert frame.columns == ["slot", "entity", "row", "n", "spread", "mse"]
    assert frame.height == 84 and frame["mse"].null_count() == 80 and frame["spread"].null_count() == 0
    assert not frame.select(pl.col(pl.String)).to_series(1).str.contains("SECRET|MAA").any()
    positive = Target("binary", ("no", "yes"))
    several = by_entity(task("drug"), test, positive, (labels > 7).astype(int), np.full((80, 2), 0.5), ["f1"])
    frame = entity_frame(positive, several)
    assert frame.schema["n_positive"] == pl.Int64 and frame["n_positive"].sum() == (labels > 7).sum()
