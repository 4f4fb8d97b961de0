"""The example of an adapter in a package of its own, installed into a fresh environment and used there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/medplug-bss"
UNWANTED = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*_cache")


@pytest.fixture(scope="module")
def installed(environment: Any) -> Any:
    """The environment with the example in it."""
    shutil.copytree(EXAMPLE, environment.empty / "medplug-bss", ignore=UNWANTED)
    environment.run("pip", "install", "./medplug-bss")
    return environment


def test_the_adapter_is_checked_run_and_tested(installed: Any) -> None:
    small = "train.epochs=1 report.resamples=100 report.explain=0"
    said = installed.together(
        "check medplug_bss",
        "show bss",
        f"run task=text_diagnosis backbone=text_cnn adapter=finetune+bss adapter.bss.smallest=2 output=shrunk {small}",
        tests="medplug-bss/tests",
    )
    counts = [int(count) for count in re.findall(r"(\d+) passed", said)]
    assert re.search(r"\d+ passed, 0 failed, \d+ skipped, 0 expected", said)
    assert counts[-1] > counts[0], "its own tests are those checks, and those of the method"
    assert "Chen et al., 2019" in said
    manifest = json.loads((installed.empty / "shrunk/manifest.json").read_text())
    (plugin,) = manifest["plugins"][-1:]
    assert (plugin["distribution"], plugin["gives"]) == ("medplug-bss 0.1.0", ["adapter bss"])


def test_the_run_of_its_page_is_one_that_works(installed: Any) -> None:
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^medplug (run .*)$", page, re.MULTILINE)
    installed.together(f"{command} --dry-run")
