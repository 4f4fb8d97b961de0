from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medplug.core.data.content import JointRow
from medplug.core.data.dataset import load_dataset
from medplug.core.data.patterns import Pattern
from medplug.core.data.reading import fingerprints
from medplug.core.data.targets import Target
from medplug.core.errors import ConfigError, DataError
from medplug.core.plain.image import PlainImage
from medplug.core.plain.joint import PlainJoint
from medplug.core.plain.text import PlainText
from medplug.core.task import Examples
from medplug.plugins.multimodal.task import MultimodalDiagnosis

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Made = Callable[..., MultimodalDiagnosis]
VALUES = {"tabular": ["age"]}


def test_the_slots_are_the_modalities_whose_columns_are_named(task: Made) -> None:
    assert task({"text": "note", "genes": "g*"}).slots == {"text": "text", "genes": "tabular"}
    assert task().slots == {"tabular": "tabular", "signal": "signal"}
    assert task({"signal": "ecg"}).slots == {"signal": "signal"}


def test_cells_of_values_are_numbers_or_not_once_a_table_was_read(task: Made) -> None:
    asked = task({"tabular": ["sex", "age"], "signal": ["t_0", "t_1"], "text": "note"})
    keys = ("data.text", "data.tabular[0]", "data.tabular[1]")
    assert [asked.cells()[key] for key in keys] == ["text", "value", "value"]
    asked.recall({"tables": {"tabular": [["age"], ["sex"]]}, "samples": ["t_0", "t_1"]})
    held = {name: asked.cells()[key] for key, name in asked.columns(labelled=False).items()}
    assert held == {"note": "text", "age": "number", "sex": "value", "t_0": "number", "t_1": "number"}


def test_the_columns_that_are_needed_are_told_with_their_keys(task: Made) -> None:
    asked = task({"text": "note", "image": "scans/{id}.png", "tabular": ["age", "lab_*"], "label": ["a", "b"]})
    inputs = {"data.text": "note", "data.image{id}": "id", "data.tabular[0]": "age", "data.tabular[1]": "lab_*"}
    assert asked.columns(labelled=False) == inputs
    assert asked.columns(labelled=True) == {**inputs, "data.label[0]": "a", "data.label[1]": "b"}
    assert isinstance(asked.columns(labelled=False)["data.tabular[1]"], Pattern)
    assert not isinstance(asked.columns(labelled=False)["data.text"], Pattern)


# ---- targets


def test_two_classes_are_judged_by_auroc_and_more_by_f1(task: Made) -> None:
    asked = task(VALUES)
    target = asked.target(["benign", "malignant"])
    assert target == Target("binary", ("benign", "malignant"))
    assert asked.metrics(target)[0] == "auroc"
    assert asked.metrics(asked.target(["a", "b", "c"]))[0] == "macro_f1"


def test_several_columns_of_labels_are_multilabel(task: Made, read: Read) -> None:
    asked = task({**VALUES, "label": ["cough", "fever"]})
    found, _ = read(asked, {"age": [1, 2], "cough": [1, 0], "fever": [1, 0]})
    assert found.labels == [("cough", "fever"), ()]
    assert asked.target(found.labels).kind == "multilabel"


def test_a_number_is_predicted_in_its_own_unit(task: Made, read: Read) -> None:
    asked = task({**VALUES, "label": "stay"}, target="regression")
    found, problems = read(asked, {"age": [1, 2, 3], "stay": ["4", "6.5", "long"]})
    assert (found.labels, [(row, column) for row, column, _ in problems]) == ([4.0, 6.5], [(3, "stay")])
    target = asked.target(found.labels)
    assert (target.kind, target.classes, asked.metrics(target)[0]) == ("regression", ("stay",), "mae")
    with pytest.raises(ConfigError, match="one number"):
        task({**VALUES, "label": ["a", "b"]}, target="regression").target([])


def test_a_time_and_an_event_are_survival(task: Made, read: Read) -> None:
    keys = {**VALUES, "time": "months", "event": "died"}
    for options in ({}, {"target": "survival"}):
        asked = task(keys, **options)
        assert asked.columns(labelled=True) == {"data.tabular[0]": "age", "data.time": "months", "data.event": "died"}
        found, problems = read(asked, {"age": [1, 2, 3, 4], "months": [3.5, 9, 0, 2], "died": [1, 0, 1, None]})
        assert found.labels == [(3.5, True), (9.0, False)]
        assert [(row, column) for row, column, _ in problems] == [(3, "months"), (4, "died")]
        target = asked.target(found.labels)
        assert (target.kind, target.classes, asked.metrics(target)[0]) == ("survival", ("died",), "c_index")


def test_a_time_and_the_asked_target_must_agree(task: Made) -> None:
    with pytest.raises(ConfigError, match=r"task\.target=survival needs data\.time=COLUMN and data\.event=COLUMN"):
        task(VALUES, target="survival")
    with pytest.raises(ConfigError, match=r"not for task\.target=binary"):
        task({**VALUES, "time": "t", "event": "e"}, target="binary")


# ---- as a set


def test_rows_that_repeat_every_input_and_the_label_are_dropped(task: Made, read: Read) -> None:
    asked = task({"text": "note", "tabular": ["age"], "signal": "ecg"})
    wave, other = [0.0, 1.0, 2.0], [0.0, 1.0, 2.5]
    given = {
        "note": ["a", "a", "a", "a", None, None, "a"],
        "age": [1, 1, 2, 1, 1, 1, 1],
        "ecg": [wave, wave, wave, other, wave, wave, wave],
        "label": ["x", "x", "x", "x", "x", "x", "y"],
    }
    found, _ = read(asked, given)
    kept, counts = asked.tidy(found)
    assert kept.rows.tolist() == [1, 3, 4, 5, 7]
    assert counts == {"duplicate rows dropped": 2, "rows whose set of inputs carries several labels": 2}
    all_kept, _ = task({"text": "note", "tabular": ["age"], "signal": "ecg"}, deduplicate=False).tidy(found)
    assert len(all_kept) == 7


def test_plain_features_are_those_of_the_modality_or_of_all_side_by_side(task: Made, read: Read) -> None:
    assert isinstance(task({"text": "note"}).plain_features(), PlainText)
    assert isinstance(task({"image": "scan"}).plain_features(), PlainImage)
    asked = task({"text": "note", "tabular": ["age"], "signal": "ecg"})
    found, _ = read(
        asked, {"note": ["a b", None, "b"], "age": [1, 2, None], "ecg": [[1.0, 2, 3], None, None], "label": ["x"] * 3}
    )
    plain = asked.plain_features()
    assert isinstance(plain, PlainJoint)
    matrix = plain.fit_transform(found.values)
    assert matrix.shape[0] == 3 and np.isfinite(matrix.toarray()).all()


def test_trees_read_the_values_alone(task: Made, read: Read) -> None:
    assert task({"text": "note"}).tree_features() is None
    given = {"age": [50, None, 70], "sex": ["F", "M", "F"], "g": [0.5, 1.5, None], "note": ["a", None, None]}
    for keys, columns in (
        ({"tabular": ["age", "sex"]}, 2),
        ({"tabular": ["age", "sex"], "text": "note", "genes": "g"}, 3),
    ):
        asked = task(keys)
        found, _ = read(asked, {**given, "label": ["x", "y", "x"]})
        trees = asked.tree_features()
        assert trees is not None
        matrix = trees.fit_transform(found.values)
        assert trees.categorical.tolist() == [False, True, False][:columns]
        np.testing.assert_array_equal(matrix[:, 0], [50, np.nan, 70])
        if columns == 3:
            np.testing.assert_array_equal(matrix[:, 2], [0.5, 1.5, np.nan])
            lacking = JointRow({"tabular": None, "genes": None, "text": "a"})
            assert np.isnan(trees.transform([lacking])).all()


def test_the_leakage_check_compares_rows_with_missing_modalities(task: Made) -> None:
    asked = task({"text": "note", "tabular": ["age"]})
    train = pl.DataFrame({"note": ["a", None, "b", "c"], "age": [1.0, 2.0, None, 4.0], "label": ["x", "y", "x", "y"]})
    test = pl.DataFrame({"note": [None, "b", "a"], "age": [2.0, 3.0, None], "label": ["y", "x", "x"]})
    data = asked.data.model_copy(update={"train": train, "validation": test.tail(1), "test": test})
    asked = MultimodalDiagnosis(asked.options, data)
    found = load_dataset(asked, data, by=(), seed=0, sample=False, sha256=fingerprints(asked, data, ()))
    leak = next(leak for leak in found.facts.leaks if (leak.first, leak.second) == ("train", "test"))
    assert (leak.kind, leak.rows) == ("same inputs", 1)


def test_a_validation_table_is_read_by_the_training_tables_columns(task: Made) -> None:
    asked = task({"tabular": ["v*"]})
    train = {"v1": ["1", "2", "3", "4"], "label": ["x", "y", "x", "y"]}
    other = {"v1": ["1", "old"], "label": ["x", "y"]}
    data = asked.data.model_copy(update={"train": train, "validation": train, "test": other})
    asked = MultimodalDiagnosis(asked.options, data)
    with pytest.raises(DataError, match="row 2, column v1: the cell is not a number"):
        load_dataset(asked, data, by=(), seed=0, sample=False, sha256=fingerprints(asked, data, ()))


def test_the_facts_of_a_table_cover_the_signals_that_its_cells_name(task: Made, tmp_path: Path) -> None:
    def digest(last: float) -> str:
        for i in range(8):
            np.save(tmp_path / f"{i}.npy", np.array([0.0, 1.0, last * i]))
        table = pl.DataFrame({"ecg": [f"{i}.npy" for i in range(8)], "label": ["x", "y"] * 4})
        asked = task({"signal": "ecg", "root": tmp_path, "train": table})
        sha256 = fingerprints(asked, asked.data, ())
        return str(load_dataset(asked, asked.data, by=(), seed=0, sample=False, sha256=sha256).facts.tables["train"])

    assert "signals_sha256" in digest(1.0) and digest(1.0) == digest(1.0) != digest(2.0)


def test_several_label_columns_do_not_fit_the_sample(task: Made) -> None:
    with pytest.raises(ConfigError, match="data.train"):
        task({**VALUES, "label": ["a", "b"]}).sample()
