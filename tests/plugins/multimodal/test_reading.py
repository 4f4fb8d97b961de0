"""Patients of several modalities, and what is missing or wrong of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.tabular import TableColumns
from medplug.core.errors import DataError
from medplug.core.task import Examples
from medplug.plugins.multimodal.task import MultimodalDiagnosis

Read = Callable[..., tuple[Examples, list[tuple[int, str, str]]]]
Made = Callable[..., MultimodalDiagnosis]

ALL = {
    "text": "note",
    "image": "scan",
    "tabular": ("age", "sex"),
    "signal": "ecg",
    "genes": ("gene_*",),
}
WAVE = [0.0, 1.0, 0.5, -1.0]
SECRET = "Mrs Example of Nowhere Street"


def patients(picture: Callable[[str], str]) -> dict[str, list[Any]]:
    """A row that has everything, a row for each thing alone, and one with nothing."""
    scan = picture("a.png")
    return {
        "note": ["cough", "fever", None, None, "  ", None, None],
        "scan": [scan, None, scan, None, "", None, None],
        "age": [50.0, None, None, 61.0, None, None, None],
        "sex": ["F", None, "", None, None, "?", None],
        "ecg": [WAVE, None, None, None, WAVE, None, None],
        "gene_1": [0.1, None, None, None, None, 0.3, None],
        "gene_2": [0.2, None, None, None, None, None, None],
        "label": ["ill", "well"] * 3 + ["ill"],
    }


def test_each_modality_is_there_or_none_and_a_row_without_any_is_told(
    task: Made, read: Read, picture: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, problems = read(task(ALL), patients(picture))
    there = {slot: [value is not None for value in values] for slot, values in found.inputs.items()}
    assert there == {
        "text": [True, True, False, False, False, False],
        "image": [True, False, True, False, False, False],
        "tabular": [True, False, False, True, False, False],
        "signal": [True, False, False, False, True, False],
        "genes": [True, False, False, False, False, True],
    }
    assert problems == [
        (7, "note, scan, age and 1 more, ecg, gene_*", "every modality is missing; a row needs one of them")
    ]
    assert found.names == ["a.png", "", "a.png", "", "", ""]
    assert found.labels == ["ill", "well"] * 3
    np.testing.assert_array_equal(found.inputs["signal"][0].samples, np.array([WAVE], dtype=np.float32))
    assert found.inputs["tabular"][3].numbers.tolist() == [61.0] and found.inputs["tabular"][3].names == (None,)
    assert found.inputs["genes"][5].numbers[0] == 0.3 and np.isnan(found.inputs["genes"][5].numbers[1])


@pytest.mark.parametrize(
    ("slot", "columns", "reason"),
    [
        ("text", "note", "the text is empty"),
        ("image", "scan", "the image is empty"),
        ("signal", "ecg", "the signal is empty"),
        ("tabular", ("age", "sex"), "all of its values are missing"),
        ("genes", ("gene_*",), "all of its values are missing"),
    ],
)
def test_one_modality_alone_may_not_be_missing(
    task: Made,
    read: Read,
    picture: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slot: str,
    columns: Any,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = patients(picture)
    found, problems = read(task({slot: columns}), given)
    assert list(found.inputs) == [slot] and None not in found.inputs[slot]
    assert {row for row, _, _ in problems} == set(range(1, 8)).difference(found.rows.tolist())
    assert {told for _, _, told in problems} == {reason}


def test_texts_are_cleaned(task: Made, read: Read) -> None:
    found, _ = read(task({"text": "note"}), {"note": ["  \uff23ough \n and\u200b fever "], "label": ["x"]})
    assert found.inputs["text"] == ["Cough and fever"]


def test_a_bad_cell_is_told_by_its_row_and_column_and_no_content(
    task: Made, read: Read, picture: Callable[[str], str], tmp_path: Path
) -> None:
    first = pl.DataFrame(
        {"age": [50.0, 61.0], "note": "x", "scan": picture("a.png"), "ecg": [WAVE, WAVE], "label": "y"}
    )
    asked = task({"text": "note", "image": "scan", "tabular": ["age"], "signal": "ecg", "root": tmp_path})
    read(asked, first)
    later = {
        "age": ["50", SECRET, "62"],
        "note": ["x", "x", None],
        "scan": ["a.png", "a.png", SECRET],
        "ecg": [WAVE, [float("inf")] * 4, WAVE],
        "label": ["y"] * 3,
    }
    found, problems = read(asked, later)
    assert found.rows.tolist() == [1]
    assert [(row, column) for row, column, _ in problems] == [(2, "age"), (2, "ecg"), (3, "scan")]
    assert not any("Example" in reason for _, _, reason in problems)


def test_a_row_whose_only_modality_is_bad_is_told_once(task: Made, read: Read, tmp_path: Path) -> None:
    asked = task({"text": "note", "image": "scan", "root": tmp_path})
    _, problems = read(asked, {"note": [None], "scan": ["lost.png"], "label": ["x"]})
    assert [(row, column) for row, column, _ in problems] == [(1, "scan")]


def test_what_the_first_table_settled_holds_for_later_ones(task: Made, read: Read) -> None:
    asked = task({"tabular": ["v_*"], "categorical": ["v_code"]})
    first, _ = read(asked, {"v_age": ["50", "61"], "v_code": ["1", "2"], "v_sex": ["F", "M"], "label": ["x", "y"]})
    columns = TableColumns(("v_age",), ("v_code", "v_sex"))
    assert [row.columns for row in first.inputs["tabular"]] == [columns] * 2
    later = {"v_sex": ["1", "2"], "v_new": ["7", "8"], "v_age": ["old", "3"], "v_code": ["2", "x"], "label": ["x"] * 2}
    second, problems = read(asked, later)
    assert [(row, column) for row, column, _ in problems] == [(1, "v_age")]
    (row,) = second.inputs["tabular"]
    assert (row.columns, row.numbers.tolist(), row.names) == (columns, [3.0], ("x", "2"))


def test_a_table_that_lacks_a_settled_column_is_refused_by_its_name(task: Made, read: Read) -> None:
    asked = task({"genes": ["g*"]})
    read(asked, {"g1": [1.0, 2.0], "g2": [3.0, 4.0], "label": ["x", "y"]})
    with pytest.raises(DataError, match=r"data\.genes\[1\]=g2: there is no column 'g2'"):
        read(asked, {"g1": [1.0], "g3": [3.0], "label": ["x"]})


def test_a_saved_model_reads_by_what_its_training_table_settled(task: Made, read: Read) -> None:
    import json

    keys = {"tabular": ["v_*"], "signal": ["t_*"], "text": "note"}
    trained, loaded = task(keys), task(keys)
    table = {
        "v_1": ["1", "2"],
        "v_2": ["a", "b"],
        "t_0": [1, 2],
        "t_1": [3, 5],
        "note": ["x", "y"],
        "label": ["p", "q"],
    }
    assert trained.learned() == {}
    read(trained, table)
    loaded.recall(json.loads(json.dumps(trained.learned())))
    assert loaded.learned() == trained.learned()
    assert loaded.columns(labelled=False) == trained.columns(labelled=False)
    found, problems = read(
        loaded,
        {"note": ["z"], "v_2": ["7"], "v_1": ["8"], "v_3": ["9"], "t_2": [0], "t_1": [6], "t_0": [4]},
        labelled=False,
    )
    (row,), (signal,) = found.inputs["tabular"], found.inputs["signal"]
    assert (row.numbers.tolist(), row.names, problems) == ([8.0], ("7",), [])
    assert signal.samples.tolist() == [[4.0, 6.0]]


def test_signals_may_stand_in_columns_of_samples_and_say_no_rate(task: Made, read: Read, tmp_path: Path) -> None:
    pl.DataFrame({"t_0": [1, None], "t_1": [2.5, None], "label": ["x", "y"], "age": [3, 4]}).write_csv(
        tmp_path / "t.csv"
    )
    found, problems = read(task({"signal": ["t_*"], "rate": 250, "tabular": "age"}), tmp_path / "t.csv")
    signal, lost = found.inputs["signal"]
    assert (signal.samples.tolist(), signal.rate, lost, problems) == ([[1.0, 2.5]], 250.0, None, [])


def test_an_archive_of_signals_stands_for_a_table(task: Made, read: Read, tmp_path: Path) -> None:
    signals = np.random.default_rng(0).normal(size=(3, 2, 16)).astype(np.float32)
    np.savez(tmp_path / "ecg.npz", x=signals, label=np.array(["p", "q", "p"]), fs=np.array(100.0))
    found, problems = read(task({"signal": "ecg"}), tmp_path / "ecg.npz")
    assert (found.labels, problems) == (["p", "q", "p"], [])
    np.testing.assert_array_equal(found.inputs["signal"][1].samples, signals[1])


# ---- which columns patterns mean


def test_a_star_means_every_column_that_no_other_key_names(task: Made, read: Read) -> None:
    keys = {"tabular": "*", "genes": ["g_*"], "text": "note", "image": "scans/{scan}.png", "group": "patient"}
    asked = task({**keys, "site": "hospital", "split_column": "fold", "signal": ["t_*"], "label": ["ill", "dead"]})
    names = ["age", "g_1", "note", "scan", "patient", "hospital", "fold", "t_0", "t_1", "ill", "dead", "sex", ""]
    asked.examples(pl.DataFrame({name: ["1"] for name in names if name}), _problems(), labelled=True)
    columns = asked.columns(labelled=False)
    assert [name for key, name in columns.items() if key.startswith("data.tabular")] == ["age", "sex"]
    assert [name for key, name in columns.items() if key.startswith("data.genes")] == ["g_1"]
    assert [name for key, name in columns.items() if key.startswith("data.signal")] == ["t_0", "t_1"]
    assert columns["data.image{scan}"] == "scan" and "data.tabular[2]" not in columns


def test_a_pattern_never_matches_what_is_predicted(task: Made, read: Read) -> None:
    asked = task({"tabular": ["lab_*"], "label": "lab_diagnosis"})
    found, _ = read(asked, {"lab_diagnosis": ["x", "y"], "lab_2": [1, 2], "lab_1": [3, 4]})
    assert found.inputs["tabular"][0].columns == TableColumns(("lab_2", "lab_1"), ())


def test_a_label_is_no_input_of_survival_unless_it_is_named(task: Made, read: Read) -> None:
    table = {"age": [1, 2], "label": ["x", "y"], "t": [1, 2], "e": [1, 0]}
    for names, columns in (("*", ("age",)), (["age", "label"], ("age", "label"))):
        found, _ = read(task({"tabular": names, "time": "t", "event": "e"}), table)
        read_columns = found.inputs["tabular"][0].columns
        assert (*read_columns.numeric, *read_columns.categorical) == columns


def test_a_pattern_that_is_left_with_nothing_is_refused(task: Made, read: Read) -> None:
    asked = task({"tabular": ["lab_*"], "label": "lab_diagnosis"})
    with pytest.raises(DataError, match=r"data\.tabular: 'lab_\*' matches no column"):
        read(asked, {"lab_diagnosis": ["x", "y"]})


def test_several_keys_may_name_one_column_on_purpose(task: Made, read: Read) -> None:
    found, _ = read(task({"tabular": ["age", "site"], "site": "site"}), {"age": [1], "site": ["a"], "label": ["x"]})
    assert found.inputs["tabular"][0].names == ("a",) and found.sites == ["a"]


def test_patterns_are_read_from_files_without_the_other_columns(task: Made, read: Read, tmp_path: Path) -> None:
    table = pl.DataFrame({"": [0, 1], "g2": [1.0, 2.0], "other": ["a", "b"], "label": ["x", "y"], "g1": [3.0, 4.0]})
    table.write_csv(tmp_path / "t.csv")
    for keys, names in (({"genes": "g?"}, ("g2", "g1")), ({"genes": "*"}, ("g2", "g1"))):
        found, _ = read(task(keys), tmp_path / "t.csv")
        assert found.inputs["genes"][0].columns.numeric == names
    assert found.inputs["genes"][0].columns.categorical == ("other",)


def _problems() -> Any:
    from medplug.core.data.problems import Problems

    return Problems("table")
