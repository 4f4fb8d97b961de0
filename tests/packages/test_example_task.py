"""The example package with a task of its own, installed into a fresh environment and used from the command line."""

from __future__ import annotations

import csv
import json
import math
import random
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/medplug-note-survival"
OWN = "data.text=letter data.time=weeks data.event=died"
SMALL = "backbone=text_cnn backbone.filters=16 adapter=finetune train.epochs=3 report.resamples=100 report.explain=0"
WORSE, BETTER = "oedema persists and creatinine rises", "renal function has recovered"


def letters(rows: int = 120) -> Iterable[tuple[str, int, str]]:
    """Letters of two kinds, one of which is followed by death six times as soon; a third is lost before."""
    draw = random.Random(0)
    for row in range(rows):
        worse = row % 2 == 0
        death, lost = draw.expovariate(1 / (10 if worse else 60)), draw.expovariate(1 / 60)
        told = f"{WORSE if worse else BETTER} {draw.choice(('today', 'again', 'at last'))} {row % 7}"
        yield told, math.ceil(min(death, lost)), "yes" if death <= lost else "no"


BAD = [("a secret", -3, "yes"), ("a secret", 4, "2"), ("", 4, "no"), ("a secret", "", "no")]


def write(file: Path, rows: Iterable[tuple[Any, ...]], columns: str = "letter,weeks,died") -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([columns.split(","), *rows])


@pytest.fixture(scope="module")
def used(environment: Any) -> Any:
    """The fresh environment: installed, checked, run on the sample and on a table, predicted with, and tested there."""
    here = environment.empty
    left_out = shutil.ignore_patterns("*.egg-info", "build", "dist", "runs", "__pycache__", ".*_cache")
    shutil.copytree(EXAMPLE, here / "package", ignore=left_out)
    environment.run("pip", "install", "./package")
    write(here / "letters.csv", letters())
    write(here / "bad.csv", [*letters(20), *BAD])
    write(here / "new.csv", [(WORSE,), (BETTER,)], "letter")
    environment.said = environment.together(
        "check medplug_note_survival",
        f"run task=note_survival output=sample task.horizon=90 {SMALL}",
        f"run task=note_survival output=own data.train=letters.csv {OWN} report.resamples=100 report.explain=0",
        "predict own new.csv --output told.csv",
        f"run task=note_survival data.train=bad.csv {OWN}  # exit code 2",
        tests="package/tests",
    )
    return environment


def test_it_keeps_the_contract_and_passes_its_own_tests(used: Any) -> None:
    checks = re.search(r"^(\d+) passed, 0 failed, 0 skipped, 0 expected$", used.said, re.MULTILINE)
    assert checks
    tests = re.findall(r"=+ (\d+) passed(?:, \d+ warnings?)? in", used.said)
    assert len(tests) == 1 and int(tests[0]) > int(checks[1]) > 10


def test_the_sample_is_run_with_the_horizon_that_is_asked_for(used: Any) -> None:
    assert "note_survival, test" in used.said and "of the built-in sample: generated" in used.said
    folder = used.empty / "sample"
    target = json.loads((folder / "model.json").read_text())["target"]
    assert target["kind"] == "survival" and target["classes"] == ["readmitted within 90"]
    told = pl.read_parquet(folder / "predictions.parquet")
    assert told["truth"].max() == 90 and not told.filter(truth=90)["event"].all()


def test_a_table_of_ones_own_is_learned_from_by_the_recipe_of_the_package(used: Any) -> None:
    folder = used.empty / "own"
    found = json.loads((folder / "metrics.json").read_text())["metrics"]["c_index"]
    assert found["value"] > 0.6
    manifest = (folder / "manifest.json").read_text()
    assert "medplug-note-survival 0.1.0" in manifest
    assert "backbone: minilm  # recipe note_survival" in (folder / "config.yaml").read_text()
    assert "concordance index" in (folder / "report.html").read_text()


def test_who_is_worse_off_is_predicted_so(used: Any) -> None:
    worse, better = pl.read_csv(used.empty / "told.csv").iter_rows(named=True)
    assert worse["prediction"] > better["prediction"]
    chances = [name for name in worse if name.startswith("s_")]
    assert len(chances) == 3
    assert all(worse[name] < better[name] for name in chances)


def test_bad_rows_are_named_and_stop_it_with_the_code_of_wrong_input(used: Any) -> None:
    assert "bad.csv: 4 bad row(s)" in used.said
    for row, column, why in (
        (21, "weeks", "the time is not above 0"),
        (22, "died", "the event is neither 1"),
        (23, "letter", "the note is empty"),
        (24, "weeks", "the time is empty"),
    ):
        assert f"row {row}, column {column}: {why}" in used.said
    assert "secret" not in used.said and "data.on_error=skip" in used.said


def test_it_is_listed_with_its_package_and_not_imported_for_that(used: Any) -> None:
    said = used.run("medplug", "plugins")
    (line,) = [line for line in said.splitlines() if line.startswith("note_survival")]
    assert "medplug-note-survival 0.1.0" in line and "not imported" in line and "task note_survival" in line
