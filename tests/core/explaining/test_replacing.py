"""Shapley values of rows of runs: columns, and modalities that rows may lack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import medplug
from medplug.core.explaining.answering import Answering, mixed
from medplug.core.explaining.explain import Asked
from medplug.core.explaining.replacing import explained

pytestmark = pytest.mark.usefixtures("one_thread")


def patients(rows: int = 60) -> pl.DataFrame:
    """Of two columns and a note; only `age` and the note's first word tell who is ill, and each third lacks one."""
    ill, draw = np.arange(rows) % 2, np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "age": 50 + 30 * ill + draw.normal(size=rows),
            "shoe": draw.normal(size=rows),
            "sex": draw.choice(["f", "m"], size=rows).tolist(),
            "note": ["fever and cough" if each else "no complaint" for each in ill],
            "label": ["ill" if each else "well" for each in ill],
        }
    )
    number = pl.int_range(rows) % 6
    return frame.with_columns(
        pl.when(number < 2).then(None).otherwise(pl.col("note")).alias("note"),
        *(pl.when(number >= 4).then(None).otherwise(pl.col(name)).alias(name) for name in ("age", "shoe", "sex")),
    )


def run(output: Path, frame: pl.DataFrame, data: dict[str, Any], **keys: Any) -> Any:
    small = {"train": {"epochs": 6, "batch_size": 8}, "report": {"resamples": 100}, "device": "cpu"}
    return medplug.run(task="multimodal_diagnosis", data={"train": frame, **data}, output=output, **small, **keys)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    backbone = {"text": {"name": "text_cnn"}, "tabular": {"hidden": 16, "blocks": 1}}
    data = {"text": "note", "tabular": ["age", "shoe", "sex"]}
    return run(tmp_path_factory.mktemp("runs") / "both", patients(), data, backbone=backbone).predictor


def read(predictor: Any, frame: pl.DataFrame) -> Any:
    return predictor.read(frame, predictor.task.data, labelled=False, on_error="stop")[0]


def test_a_model_that_is_asked_part_by_part_answers_what_it_predicts(both: Any) -> None:
    examples, answering = read(both, patients()), Answering(both)
    predicted = both.predict(patients()).select(f"p_{name}" for name in both.target.classes).to_numpy()
    for _ in range(2):  # encoded, and then remembered
        np.testing.assert_allclose(answering(examples.values), predicted, atol=1e-6)


def test_values_of_modalities_and_columns_are_of_what_a_row_has_and_sum_to_its_distance_from_the_usual(
    both: Any,
) -> None:
    examples = read(both, patients())
    found = explained(both, examples.take(np.arange(6)), Asked(others=examples))
    assert [(each.row, each.unit) for each in found] == [
        *((1, "column"), (2, "column")),
        *((3, "modality"), (3, "column"), (4, "modality"), (4, "column")),
    ]
    for each in found:
        assert each.gap is not None and each.gap < 1e-4
        assert each.names == (("text", "tabular") if each.unit == "modality" else ("age", "shoe", "sex"))
        assert not each.content.words


def test_the_column_that_tells_counts_most_and_its_values_words_are_shown_to_who_may_see_them(both: Any) -> None:
    examples = read(both, patients())
    found = explained(both, examples.take(np.arange(2)), Asked(others=examples, show=True))
    for each, age in zip(found, patients()["age"], strict=False):
        assert np.abs(each.scores).argmax() == each.names.index("age")
        assert each.scores[0] > 0
        assert each.content.words[0] == f"{age:g}"


def test_one_row_by_itself_has_no_other_to_take_values_from_and_missing_ones_stand_in(both: Any) -> None:
    examples = read(both, patients()[2:3])
    (only,) = explained(both, examples, Asked())
    table = examples.inputs["tabular"][0]
    lacking = replace(table, numbers=np.full(2, np.nan), names=(None,))
    place = both.target.classes.index(only.predicted)
    joint = examples.values[0]
    without = both.target.probabilities(both.logits([type(joint)({**joint.values, "tabular": lacking})]))[0, place]
    whole = both.target.probabilities(both.logits([joint]))[0, place]
    assert only.unit == "column"
    assert only.scores.sum() == pytest.approx(whole - without, abs=1e-6)


def test_rows_are_mixed_column_by_column(both: Any) -> None:
    first, second, third = (each for each in read(both, patients()[:3]).inputs["tabular"])
    kept = np.array([[True, False, True], [False, True, False]])
    one, other = mixed(first, [second, third], kept, np.array([0, 1]))
    assert one.numbers.tolist() == [first.numbers[0], second.numbers[1]] and one.names == first.names
    assert other.numbers.tolist() == [third.numbers[0], first.numbers[1]] and other.names == third.names
    assert one.digest != first.digest
