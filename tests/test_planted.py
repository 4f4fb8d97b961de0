"""What is planted is found by a whole run, in its numbers, report and printed lines; a clean set raises nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from medplug.cli import cli

pytestmark = pytest.mark.usefixtures("one_thread", "few_trees")

SPLITS = ["train"] * 60 + ["validation"] * 24 + ["test"] * 36
ROWS = len(SPLITS)
TRAIN, TEST = 3, ROWS - 2
"""A training row and a test row, to plant in."""
SIGNS = ("fever", "cough", "rash", "pallor", "nausea", "vertigo", "tremor", "jaundice", "fatigue", "headache")
PLAIN = ("device=cpu", "train.epochs=1", "report.resamples=100", "report.explain=0", "data.split_column=split")


def run(folder: Path, rows: dict[str, Any], *words: str) -> tuple[dict[str, Any], str, str]:
    """metrics.json's part on leakage, what was printed, and the report."""
    pl.DataFrame({**rows, "split": SPLITS}).write_csv(folder / "rows.csv")
    told = CliRunner().invoke(
        cli, ["run", *PLAIN, *words, f"data.train={folder / 'rows.csv'}", f"output={folder / 'run'}"]
    )
    assert told.exit_code == 0, told.output
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return metrics["leakage"], told.output, (folder / "run" / "report.html").read_text()


def notes() -> dict[str, Any]:
    """Notes that share no run of words, and labels that no word tells."""
    draw = random.Random(0)
    texts = [" ".join(f"{draw.choice(SIGNS)} {draw.randrange(10**6)}" for _ in range(12)) for _ in range(ROWS)]
    return {"text": texts, "label": ["ill", "well"] * (ROWS // 2), "patient": [f"p{i}" for i in range(ROWS)]}


def kinds(leaks: list[dict[str, Any]]) -> set[tuple[str, str, str, int]]:
    return {(each["kind"], each["first"], each["second"], each["rows"]) for each in leaks}


TEXT = ("task=text_diagnosis", "backbone=text_cnn", "adapter=finetune", "data.group=patient")


def test_a_patient_of_both_sides_and_an_edited_note_are_found(tmp_path: Path) -> None:
    rows = notes()
    rows["patient"][TEST] = rows["patient"][TRAIN]
    rows["text"][TEST - 1] = rows["text"][TRAIN + 1].replace("fever", "Fever,", 1) + " seen again"
    leakage, printed, report = run(tmp_path, rows, *TEXT)
    assert kinds(leakage["leaks"]) == {
        ("same group", "train", "test", 1),
        ("near-identical text", "train", "test", 1),
    }
    assert printed.count("Leakage: ") == 2
    assert "nearly the same text" in report and "same patient" in report
    assert rows["text"][TRAIN + 1][:40] not in report + printed


def test_clean_notes_raise_nothing(tmp_path: Path) -> None:
    leakage, printed, report = run(tmp_path, notes(), *TEXT)
    assert leakage == {"leaks": [], "revealing": [], "named": [], "told": []}
    assert "Leakage" not in printed and "None found by these checks" in report


def pictures(folder: Path, *, planted: bool) -> dict[str, Any]:
    """Smooth pictures, each its own; one of the test rows may be a smaller JPEG of a training row's."""
    draw = np.random.default_rng(0)
    names = [f"{i}.png" for i in range(ROWS)]
    for name in names:
        coarse = Image.fromarray(draw.integers(0, 256, (12, 12), dtype=np.uint8))
        coarse.resize((96, 96), Image.Resampling.BICUBIC).save(folder / name)
    if planted:
        names[TEST] = "again.jpg"
        Image.open(folder / names[TRAIN]).resize((64, 64)).save(folder / names[TEST], quality=80)
    return {"image": names, "label": ["ill", "well"] * (ROWS // 2)}


IMAGES = ("task=imaging", "backbone=cnn", "adapter=finetune", "backbone.size=32")


@pytest.mark.parametrize("planted", [True, False])
def test_a_picture_that_was_resized_and_encoded_anew_is_found(tmp_path: Path, planted: bool) -> None:
    leakage, printed, _ = run(tmp_path, pictures(tmp_path, planted=planted), *IMAGES)
    assert kinds(leakage["leaks"]) == ({("near-identical image", "train", "test", 1)} if planted else set())
    assert printed.count("Leakage: ") == planted


TABLE = (
    *("task=multimodal_diagnosis", 'data.tabular=["age","pressure","discharge_code"]', "backbone.tabular=columns"),
    *("adapter=linear_probe", "data.label=label"),
)


@pytest.mark.parametrize("planted", [True, False])
def test_a_column_that_was_written_when_the_label_was_known_is_found(tmp_path: Path, planted: bool) -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, ROWS)
    codes = np.where(labels == 1, "J18", "Z00") if planted else draw.choice(["J18", "Z00", "R05"], ROWS)
    rows = {"age": draw.normal(60, 9, ROWS), "pressure": draw.normal(130, 9, ROWS), "discharge_code": codes.tolist()}
    leakage, printed, report = run(tmp_path, {**rows, "label": np.where(labels, "ill", "well").tolist()}, *TABLE)
    assert [(each["what"], each["name"]) for each in leakage["revealing"]] == (
        [("column", "discharge_code")] if planted else []
    )
    assert ("discharge_code" in printed) == planted
    assert "tell the label almost perfectly" in report
