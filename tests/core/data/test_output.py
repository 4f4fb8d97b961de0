"""Tables and masks out: what is written, and what is told where nothing can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medplug.core.data.output import check_folder, check_output, write_mask, write_table
from medplug.core.errors import RunError, UsageError

REGIONS = [
    [{"class": "Läsion", "left": 3, "x": 4.25, "probability": 0.75}, {"class": "b;c", "left": 0, "x": 0.0}],
    [],
    [{"class": 'a "quoted", class', "left": 1, "x": 1.5, "probability": None}],
]
FIELDS = pl.Struct({"class": pl.String, "left": pl.Int64, "x": pl.Float64, "probability": pl.Float64})


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {"row": [1, 2, 3], "name": ["a.png", "b,c.png", None], "prediction": [["x", "y"], [], ["y"]]},
        schema_overrides={"prediction": pl.List(pl.String)},
    ).with_columns(pl.Series("regions", REGIONS, dtype=pl.List(FIELDS)), p=pl.Series([0.125, 0.5, 1.0]))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_records_and_lists_are_kept_where_the_format_has_them(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"found{ending}"
    write_table(frame(), file)
    read = pl.read_ndjson(file) if ending == ".jsonl" else pl.read_parquet(file)
    assert read.to_dicts() == frame().to_dicts()
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_in_csv_regions_are_json_and_lists_of_names_joined(tmp_path: Path) -> None:
    write_table(frame(), tmp_path / "found.csv")
    read = pl.read_csv(tmp_path / "found.csv")
    assert read.columns == ["row", "name", "prediction", "regions", "p"]
    assert [json.loads(cell) for cell in read["regions"]] == frame()["regions"].to_list()
    assert read["prediction"].fill_null("").to_list() == ["x;y", "", "y"] and read["p"].to_list() == [0.125, 0.5, 1.0]


def test_without_a_file_the_same_csv_goes_to_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(frame(), None)
    write_table(frame(), tmp_path / "found.csv")
    assert capsys.readouterr().out == (tmp_path / "found.csv").read_text()


def test_a_frame_without_rows_has_its_header(tmp_path: Path) -> None:
    write_table(frame().head(0), tmp_path / "found.csv")
    assert (tmp_path / "found.csv").read_text() == "row,name,prediction,regions,p\n"


def test_what_was_there_is_replaced_when_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "found.csv"
    file.write_text("before")

    def full(self: Any, path: Path) -> None:
        path.write_text("ro")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(RunError, match="cannot be written: No space left"):
        patched.setattr(pl.DataFrame, "write_csv", full)
        write_table(frame(), file)
    assert file.read_text() == "before"
    write_table(frame(), file)
    assert file.read_text().startswith("row,")


def test_places_that_cannot_be_written_are_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write to one of \.csv, \.jsonl, \.parquet"):
        check_output(tmp_path / "found.xlsx")
    with pytest.raises(UsageError, match="there is no folder .*deep; make it first"):
        check_output(tmp_path / "deep" / "found.csv")
    check_output(tmp_path / "found.csv")
    check_output(None)
    assert list(tmp_path.iterdir()) == []


# ---- masks


@pytest.mark.parametrize("shape", [(5, 9), (1, 1), (64, 3)])
def test_a_mask_is_written_as_grey_class_numbers(shape: tuple[int, int], tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 32, shape, dtype=np.uint8)
    write_mask(mask, tmp_path / "1.png")
    with Image.open(tmp_path / "1.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", shape[::-1])
        np.testing.assert_array_equal(np.asarray(image), mask)


def test_a_mask_that_cannot_be_written_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunError, match=r"taken.1\.png: cannot be written: "):
        write_mask(np.zeros((2, 2), np.uint8), tmp_path / "taken" / "1.png")


def test_a_folder_for_masks_is_made_with_the_first_of_them_and_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    check_folder(folder)
    check_folder(None)
    assert not folder.parent.exists()  # what stops before there are masks leaves nothing behind
    write_mask(np.zeros((2, 2), np.uint8), folder / "1.png")
    check_folder(folder)
    assert (folder / "1.png").is_file()


def test_a_file_where_a_folder_is_wanted_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(UsageError, match="taken.*: cannot be made a folder"):
            check_folder(folder)
