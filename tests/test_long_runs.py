"""Runs that are killed and go on, and runs on several processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from medplug.cli import cli

WORDS = ["fever", "cough", "chest", "wrist", "fracture", "fall", "headache", "nausea", "light", "rash", "itch", "lump"]
EPOCHS = 4
QUIET: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
KEYS = (
    *("task=text_diagnosis", "data.train=notes.csv", "backbone=text_cnn"),
    *(f"train.epochs={EPOCHS}", "train.patience=9", "report.resamples=100", "report.explain=0"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a table whose label can be learned, not perfectly."""
    return with_notes(tmp_path)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on one process that nothing stopped."""
    folder = with_notes(tmp_path_factory.mktemp("unbroken"))
    here(folder, "output=run")
    return folder / "run"


def with_notes(folder: Path) -> Path:
    draw = random.Random(0)
    lines = ["text,label"]
    for i in range(600):
        likely = WORDS[(i % 3) * 4 : (i % 3) * 4 + 4]
        said = [draw.choice(likely if draw.random() < 0.5 else WORDS) for _ in range(12)]
        lines.append(f"{' '.join(said)},{'abc'[i % 3]}")
    (folder / "notes.csv").write_text("\n".join(lines) + "\n")
    return folder


def here(folder: Path, *words: str) -> None:
    """Run to the end in this process, which spares the imports of another."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("HF_HUB_OFFLINE", "1")
        done = CliRunner().invoke(cli, ["run", *KEYS, *words])
    torch.set_num_threads(threads)
    assert done.exit_code == 0, done.output


def start(folder: Path, *words: str, processes: int = 1) -> subprocess.Popen[str]:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "29571"]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "medplug.cli", "run", *KEYS, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-3000:]
    return out


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(folder: Path, unbroken: Path) -> None:
    killed = start(folder, "output=killed")
    deadline = time.monotonic() + 200
    while not list(folder.glob("killed.partial/checkpoints/checkpoint-*/trainer_state.json")):
        assert time.monotonic() < deadline and killed.poll() is None, "no checkpoint was made"
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (folder / "killed").exists() and (folder / "killed.partial").exists()

    here(folder, "output=killed", "--resume")
    assert metrics(folder / "killed") == metrics(unbroken)
    assert not (folder / "killed.partial").exists()
    told = [json.loads(line) for line in (folder / "killed/events.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "epoch" for event in told) < 2 * EPOCHS  # it did not begin again


def test_two_processes_write_one_run_with_the_metrics_of_one_process(folder: Path, unbroken: Path) -> None:
    said = finished(start(folder, "output=two", processes=2))
    assert said.count("report: ") == 1  # one voice
    assert {path.name for path in folder.iterdir()} == {"notes.csv", "two"}
    assert json.loads((folder / "two/manifest.json").read_text())["hardware"]["processes"] == 2
    one, two = metrics(unbroken), metrics(folder / "two")
    low, high = one["metrics"]["macro_f1"]["ci95"]
    assert low <= two["metrics"]["macro_f1"]["value"] <= high
    assert one["baseline"] == two["baseline"]


def test_a_fault_on_two_processes_is_told_once(folder: Path) -> None:
    process = start(folder, "data.text=missing", "output=two", processes=2)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert err.count("medplug: data.train") == 1
    assert {path.name for path in folder.iterdir()} == {"notes.csv"}


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("show nothing_of_this_name", 2)])
@pytest.mark.parametrize(("processes", "clears_up"), [("1", True), ("2", False)])
def test_one_of_several_processes_ends_before_threads_of_the_group_can_abort_it(
    command: str, code: int, processes: str, clears_up: bool
) -> None:
    script = "import atexit, sys; from medplug.cli import cli; atexit.register(print, 'cleared up'); cli(sys.argv[1:])"
    environment = {**os.environ, "WORLD_SIZE": processes, "RANK": "0"}
    done = subprocess.run([sys.executable, "-c", script, *command.split()], env=environment, **QUIET)
    assert done.returncode == code
    assert ("cleared up" in done.stdout) == clears_up
    assert done.stdout.removesuffix("cleared up\n") + done.stderr, "what was said came out"
    assert done.stdout.partition("cleared up")[0] + done.stderr, "what was said came out"
