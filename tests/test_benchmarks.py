"""The benchmarks that need no data still run."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import medplug
from medplug.plugins.drug_target.sample import sample

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_discrepancies_are_compared_in_tables() -> None:
    command = [sys.executable, str(BENCHMARKS / "discrepancy.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    header, mmd, _, coral, *_ = rows
    measured = dict(zip(header, mmd, strict=True))
    assert mmd[0] == "16, 32" and coral[0] == "8, 64"
    for name in ("mmd", "broadcast", "cdist", "Gram", "all products"):
        assert float(measured[name].split()[0]) > 0
    assert float(coral[1]) > 0 and float(coral[2]) > 0


FUSIONS = {
    *("`concat`", "`gated`", "`lowrank`", "`film`", "`hybrid`", "`late`"),
    *("`cross_attention`", "`bottleneck`", "`bilinear_attention`"),
}


def test_every_fusion_gives_what_its_plain_reference_gives_and_is_timed_beside_it() -> None:
    small = ["--batch", "3", "--tokens", "5", "--width", "8", "--rounds", "1"]
    command = [sys.executable, str(BENCHMARKS / "fusion.py"), *small]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| `")]
    assert {row[0] for row in rows} == FUSIONS
    assert all(float(row[1]) > 0 and float(row[4]) > 0 for row in rows)


@pytest.mark.usefixtures("few_trees")
def test_a_screening_is_timed_and_its_memory_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rdkit", reason="rdkit is an extra: pip install 'medplug[chem]'")
    real, tiny = medplug.run, {"train.members": 1, "report.resamples": 100, "fusion.hidden": [8]}
    rows = sample().head(120)
    monkeypatch.setattr(medplug, "run", lambda **keys: real(**keys, **tiny, data={"train": rows}))
    small = ["--molecules", "40", "--targets", "2", "--draws", "2"]
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / "screening.py"), str(tmp_path / "run"), *small])
    runpy.run_path(sys.argv[0], run_name="__main__")
    (row,) = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| 40")]
    assert row[1] == "2" and len(row) == 6 and all(float(value) > 0 for value in row[2:])


def test_intervals_are_timed_in_a_table() -> None:
    command = [sys.executable, str(BENCHMARKS / "intervals.py"), "--rows", "2000", "--resamples", "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[1:3]] == ["AUROC", "F1"] and all(float(row[1]) >= 0 for row in rows[1:])
