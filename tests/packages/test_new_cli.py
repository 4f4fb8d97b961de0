"""Packages that `medplug new` makes, installed into an environment of their own and used from the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from medplug.cli import cli

ROOT = Path(__file__).parents[2]
OTHERS = {
    "task": "task=ours_task",
    "adapter": "task=text_diagnosis backbone=text_cnn adapter=finetune+ours_adapter",
    "fusion": "task=multimodal_diagnosis fusion=ours_fusion",
}
"""The kinds beside backbones, with the run that each one's README gives."""


PAGE = (
    "medplug new medplug-demo --kind backbone && pip install ./medplug-demo && medplug check medplug_demo && "
    "medplug run task=imaging backbone=demo"
)
SMALL = "train.epochs=1 report.resamples=100 report.explain=0"


@pytest.fixture(scope="module")
def used(environment: Any) -> Any:
    """A package of every kind: made, installed, checked, run and tested; that of the page by the page's very line."""
    of_page = environment.run("sh", "-ec", PAGE)
    for kind in OTHERS:
        said = CliRunner().invoke(cli, ["new", f"medplug-ours-{kind}", "--kind", kind, "-o", str(environment.empty)])
        assert said.exit_code == 0, said.output
        assert said.output.splitlines()[-1] == f"  medplug run {OTHERS[kind]}"
    environment.run("pip", "install", *(f"./medplug-ours-{kind}" for kind in OTHERS))
    checks = [f"check medplug_ours_{kind}" for kind in OTHERS]
    runs = [f"run {keys} output=run_{kind} {SMALL}" for kind, keys in OTHERS.items()]
    tests = " ".join(f"{package.name}/tests" for package in sorted(environment.empty.glob("medplug-*")))
    environment.said = of_page + environment.together(*checks, *runs, "plugins --load", tests=tests)
    return environment


def test_the_first_commands_of_the_plugin_page_work_from_an_empty_folder(used: Any) -> None:
    page = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    assert " && ".join(line.removeprefix("$ ") for line in block.splitlines()) == PAGE
    assert "imaging, test" in used.said
    (manifest,) = used.empty.glob("runs/imaging-*/manifest.json")
    assert "medplug-demo 0.1.0" in manifest.read_text()


def test_packages_of_every_kind_keep_the_contract_and_their_own_tests_pass(used: Any) -> None:
    assert len(re.findall(r"^(?:demo|ours_\w+) .* loaded ", used.said, re.MULTILINE)) == 1 + len(OTHERS), "no remarks"
    assert len(re.findall(r"\d+ passed, 0 failed, \d+ skipped, 0 expected", used.said)) == 1 + len(OTHERS)
    counts = [int(count) for count in re.findall(r"(\d+) passed", used.said)]
    assert counts[-1] >= sum(counts[:-1]), "their own tests are those checks"
    for kind in OTHERS:
        assert f"medplug-ours-{kind} 0.1.0" in (used.empty / f"run_{kind}/manifest.json").read_text()


def test_nothing_is_made_of_a_name_that_is_taken(tmp_path: Path) -> None:
    said = CliRunner().invoke(cli, ["new", "medplug-cnn", "--kind", "backbone", "--output", str(tmp_path)])
    assert said.exit_code == 2
    assert "medplug-my-cnn" in said.output
    assert list(tmp_path.iterdir()) == []


def test_a_task_is_made_where_no_kind_is_asked_for(tmp_path: Path) -> None:
    said = CliRunner().invoke(cli, ["new", "medplug-demo", "-o", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert (tmp_path / "medplug-demo/src/medplug_demo/task.py").exists()


def test_the_command_line_imports_jinja_for_new_packages_alone() -> None:
    code = (
        "import medplug.cli, sys; print([n for n in ('jinja2', 'torch', 'medplug.core.scaffold') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
