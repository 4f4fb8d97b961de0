"""Tables of signals: every kind of cell gives the same signal, and bad cells are named by row and column."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medplug.core.data.problems import Problems
from medplug.core.data.tables import read_table
from medplug.core.errors import DataError
from medplug.core.signals.reading import SignalError
from medplug.core.signals.signal import Signal
from medplug.core.signals.table import (
    Cutting,
    SignalReader,
    matched,
    table_of_archive,
    table_of_recording,
    tabulate,
)
from medplug.core.signals.windows import DROPPED

SHARED = Path(os.environ.get("MEDPLUG_SHARED") or Path(__file__).parents[4] / "shared") / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data: set MEDPLUG_SHARED to the folder of data/")
SAMPLES = np.random.default_rng(0).normal(size=(4, 2, 30)).astype(np.float32)


def reader(column: str | tuple[str, ...] = "ecg", **options: Any) -> SignalReader:
    given = {"root": None, "folder": None, "rate": None, "resample": None, "problems": Problems("table"), **options}
    return SignalReader(column, **given)


def told(found: SignalReader) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.reason) for problem in found.problems.in_order()]


def same(found: list[Signal | None], samples: Any = SAMPLES) -> None:
    assert len(found) == len(samples)
    for signal, expected in zip(found, samples, strict=True):
        assert signal is not None and signal.samples.dtype == np.float32
        np.testing.assert_array_equal(signal.samples, np.atleast_2d(expected))


def test_paths_start_from_the_tables_folder_or_the_root(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i, samples in enumerate(SAMPLES):
        np.save(tmp_path / "in" / f"{i}.npy", samples)
    table = pl.DataFrame({"ecg": [f"{i}.npy" for i in range(4)]})
    same(reader(folder=tmp_path / "in").read(table))
    same(reader(root=tmp_path, folder=tmp_path / "other").read(table.with_columns(ecg="in/" + pl.col("ecg"))))
    (found,) = reader(folder=tmp_path / "in", rate=50).read(table[:1])
    assert found is not None and found.rate == 50.0


def test_arrays_lists_and_signals_are_cells() -> None:
    numbers = [samples.tolist() for samples in SAMPLES]
    for column in (
        pl.Series("ecg", numbers),
        pl.Series("ecg", numbers, dtype=pl.Array(pl.Float32, (2, 30))),
        pl.Series("ecg", list(SAMPLES), dtype=pl.Object),
        pl.Series("ecg", [Signal(samples) for samples in SAMPLES], dtype=pl.Object),
    ):
        same(reader().read(pl.DataFrame([column])))
    for column in (
        pl.Series("ecg", [each[0].tolist() for each in SAMPLES]),
        pl.Series("ecg", SAMPLES[:, 0]),
        pl.Series("ecg", list(SAMPLES[:, 0]), dtype=pl.Object),
    ):
        same(reader().read(pl.DataFrame([column])), SAMPLES[:, 0])


def test_wide_tables_hold_a_sample_a_column() -> None:
    names = [f"t_{i}" for i in range(30)]
    table = pl.DataFrame(SAMPLES[:, 0], schema=names).with_columns(age=pl.lit(3))
    same(reader(("t_*",)).read(table), SAMPLES[:, 0])
    same(reader(("t_*",)).read(table.cast(pl.String)), SAMPLES[:, 0])  # as from a CSV
    same(reader(("t_3", "t_1")).read(table), SAMPLES[:, 0, [3, 1]])
    assert matched(("b*", "a", "b*"), ["b2", "a", "b1"]) == ("b2", "b1", "a")
    with pytest.raises(DataError, match="'z\\*'"):
        reader(("z*",)).read(table)


def test_in_wide_tables_empty_ends_are_no_samples_and_bad_cells_are_told() -> None:
    table = pl.DataFrame(
        {"a": ["1", "", "4", "1"], "b": ["2", None, "x", "inf"], "c": [" ", "", "6", "2"], "d": ["", "", "", "3"]}
    )
    made = reader(("a", "b", "c", "d"))
    first, empty, text, infinite = made.read(table)
    assert first is not None and first.samples.tolist() == [[1, 2]]
    assert empty is None and text is None and infinite is None
    assert told(made)[0] == (3, "b", "the cell is not a number") and told(made)[1][0] == 4 and len(told(made)) == 2


def test_empty_cells_are_none_and_no_problem() -> None:
    made = reader()
    assert made.read(pl.DataFrame({"ecg": [None, " "]})) == [None, None]
    assert made.read(pl.DataFrame({"ecg": [None, None]}, schema={"ecg": pl.List(pl.Float64)})) == [None, None]
    assert told(made) == []


def test_bad_cells_are_told_by_row_and_column_and_never_quoted(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    np.save(tmp_path / "outside.npy", SAMPLES[0])
    (inner / "link.npy").symlink_to(tmp_path / "outside.npy")
    (inner / "bad.npy").write_bytes(b"Doe")
    cells = [
        "../outside.npy",
        "link.npy",
        str(tmp_path / "outside.npy"),
        "bad.npy",
        "no.npy",
        "Mrs Doe, 81",
        "a\0b",
        "x" * 9999,
    ]
    made = reader(folder=inner)
    assert made.read(pl.DataFrame({"ecg": cells})) == [None] * len(cells)
    assert [(row, column) for row, column, _ in told(made)] == [(i + 1, "ecg") for i in range(len(cells))]
    reasons = [reason for _, _, reason in told(made)]
    assert all("outside the folder" in reason for reason in reasons[:3])
    assert "damaged" in reasons[3] and "no such file" in reasons[4]
    assert "is this the column" in reasons[5] and "Doe" not in " ".join(reasons)


def test_bad_arrays_are_told() -> None:
    values = [np.zeros((2, 2, 2)), "", np.array(["a"]), np.full(9, np.nan), object(), [[1.0], [1.0, 2.0]], np.ones(3)]
    made = reader()
    found = made.read(pl.DataFrame([pl.Series("ecg", values, dtype=pl.Object)]))
    assert [signal is None for signal in found] == [True] * 6 + [False]
    assert [row for row, _, _ in told(made)] == [1, 3, 4, 5, 6]
    with pytest.raises(DataError, match="holds Float64"):
        reader("hr").read(pl.DataFrame({"hr": [60.0]}))


def test_signals_are_brought_to_one_rate_and_mended_ones_counted() -> None:
    broken = SAMPLES[1].copy()
    broken[0, 3] = np.nan
    values = [Signal(SAMPLES[0], 100.0), Signal(broken, 25.0), Signal(SAMPLES[2]), Signal(SAMPLES[3], 50.0)]
    table = pl.DataFrame([pl.Series("ecg", values, dtype=pl.Object)])
    made = reader(resample=50.0)
    found = made.read(table)
    assert [signal and signal.samples.shape[1] for signal in found] == [15, 60, None, 30]
    assert made.mended == 1 and "rate is not known" in told(made)[0][2]
    assert [signal and signal.rate for signal in reader(resample=50.0, rate=50.0).read(table)] == [50.0] * 4


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "beats.npz"
    site = np.array(["a", "b", "a", "b"])
    np.savez(path, x=SAMPLES, y=np.arange(4), site=site, ages=np.ones((4, 2)), fs=125, other=np.zeros(7))
    return path


def test_an_archive_is_a_table(archive: Path) -> None:
    table = tabulate(str(archive), "ecg", "data.train")
    assert table.columns == ["ecg", "y", "site", "ages"]
    assert table["y"].to_list() == [0, 1, 2, 3] and table["ages"].dtype == pl.List(pl.Float64)
    found = reader().read(table[::-1])
    same(found[::-1])
    assert {signal.rate for signal in found if signal} == {125.0}
    frame = read_table(table, key="data.train", columns={"data.signal": "ecg", "data.label": "y"})
    same(reader().read(frame))


def test_archives_that_are_no_tables_are_told(tmp_path: Path) -> None:
    for name, arrays, reason in (
        ("a.npz", {"a": np.ones((3, 4)), "b": np.ones((3, 4))}, "which of its arrays"),
        ("b.npz", {"x": np.ones(5)}, r"\[5\]; signals are"),
    ):
        np.savez(tmp_path / name, **arrays)
        with pytest.raises(DataError, match=rf"data.train \(.*{name}\): .*{reason}"):
            tabulate(tmp_path / name, "ecg", "data.train")
    (tmp_path / "c.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="damaged"):
        tabulate(tmp_path / "c.npz", "ecg", "data.test")
    np.savez(tmp_path / "d.npz", x=np.ones((3, 4)), y=np.array([None, {}, []], dtype=object))
    with pytest.raises(DataError, match="pickle"):
        tabulate(tmp_path / "d.npz", "ecg", "data.train")


def test_an_archive_that_shrank_is_told(archive: Path) -> None:
    table = table_of_archive(archive, "ecg")
    np.savez(archive, x=SAMPLES[:2])
    made = reader()
    assert [signal is None for signal in made.read(table)] == [False, False, True, True]
    archive.unlink()
    assert reader().read(table) == [None] * 4


def test_other_tables_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    for source in (tmp_path / "a.csv", pl.DataFrame({"a": [1]}), {"a": [1]}, tmp_path / "none.npz"):
        assert tabulate(source, "ecg", "data.train") is source


def test_an_arff_is_a_wide_table(tmp_path: Path) -> None:
    text = "@RELATION r\n@ATTRIBUTE t1 NUMERIC\n@ATTRIBUTE k {a,b}\n@ATTRIBUTE t2 NUMERIC\n@DATA\n1,a,2\n3,b,4\n"
    (tmp_path / "a.arff").write_text(text)
    table = tabulate(tmp_path / "a.arff", "ecg", "data.train")
    assert table.to_dict(as_series=False) == {"t1": [1.0, 3.0], "k": ["a", "b"], "t2": [2.0, 4.0]}
    same(reader(("t*",)).read(table), np.array([[1, 2], [3, 4]], np.float32))


@pytest.mark.parametrize("ending", ["csv", "arff", "npz"])
def test_a_recording_is_cut_into_rows_without_its_labels(tmp_path: Path, ending: str) -> None:
    samples, marks = np.random.default_rng(0).normal(size=(2, 100)), np.arange(100) // 50
    path = tmp_path / f"long.{ending}"
    rows = "\n".join(f"{a:.17g},{b:.17g},{m}" for a, b, m in zip(*samples, marks, strict=True))
    if ending == "npz":
        np.savez(path, eeg=samples, eye=marks)
    else:
        head = (
            "a,b,eye\n"
            if ending == "csv"
            else "@RELATION r\n@ATTRIBUTE a REAL\n@ATTRIBUTE b REAL\n@ATTRIBUTE eye {0,1}\n@DATA\n"
        )
        path.write_text(head + rows + "\n")
    table = table_of_recording(path, "eeg", Cutting(10, 5, (0.6, 0.2, 0.2), gap=5), label="eye")
    assert table.columns == ["eeg", "start", "eye", "split"] and table["start"].to_list() == list(range(0, 91, 5))
    assert table["eye"].to_list() == ["0" if start <= 45 else "1" for start in range(0, 91, 5)]
    assert set(table["split"]) == {"train", "validation", "test", DROPPED}
    found = reader("eeg", rate=128).read(table)
    same(found, [samples[:, start : start + 10].astype(np.float32) for start in range(0, 91, 5)])
    with pytest.raises(SignalError, match="'nose'"):
        table_of_recording(path, "eeg", Cutting(10), label="nose")


def test_reading_signals_needs_no_torch() -> None:
    code = "import sys, medplug.core.signals.table, medplug.core.plain.signal\n"
    code += "print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_references_tell_nothing_of_where_files_lie(archive: Path) -> None:
    assert repr(table_of_archive(archive, "ecg")["ecg"].to_list()) == "[x[0], x[1], x[2], x[3]]"


@pytest.mark.shared
@shared
def test_the_beats_of_ecg5000_are_a_table() -> None:
    table = tabulate(SHARED / "ecg5000_train500/ecg5000_train.npz", "beat", "data.train")
    assert table["y"].value_counts().sort("y")["count"].to_list() == [292, 177, 10, 19, 2]
    found = reader("beat").read(table)
    assert {signal.samples.shape for signal in found if signal} == {(1, 140)} and None not in found


@pytest.mark.shared
@shared
def test_the_eye_state_is_cut_into_blocks_of_time() -> None:
    path = SHARED / "eeg_eye_state/EEG_Eye_State.arff"
    table = table_of_recording(path, "eeg", Cutting(128, 64, (0.6, 0.2, 0.2), gap=64), label="eyeDetection")
    assert table.height == 233 and set(table["eyeDetection"]) == {"0", "1"}
    found = reader("eeg", rate=128).read(table)
    assert {signal.samples.shape for signal in found if signal} == {(14, 128)} and None not in found
