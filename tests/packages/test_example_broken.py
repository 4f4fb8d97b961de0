"""The example that is broken in eight ways, installed beside a package that works: each fault is named, nothing else ails."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from medplug.cli import cli

ROOT = Path(__file__).parents[2]
FAULTS = {
    "broken_api": ("states medplug_api = 99; this medplug speaks 1", "medplug is the older of the two"),
    "broken_factory": (
        "has no 'SquareLogits'; did you mean SquaredLogits?",
        "name in the spec what the module defines",
    ),
    "broken_hook": ("unknown hook 'medplug_adaptors'; did you mean medplug_adapters?", "rename it"),
    "broken_import": ("No module named 'a_package_that_is_nowhere'", "install what gives the module"),
    "broken_name": ("gives the adapter 'finetune', which medplug gives already", "call it otherwise"),
    "broken_signature": ("medplug_adapters(config) asks for config", "write it as def medplug_adapters()"),
    "broken_slow": (r"is slow: its import takes 1\d\.\d s", "only what uses it waits"),
    "broken_spec": (r"medplug_adapters raises KeyError: 'penalties' \(at medplug_broken\.spec:14\)", "tell its author"),
}
"""Of each plugin what is wrong, and the beginning of what to do."""
SMALL = "task=text_diagnosis backbone=text_cnn train.epochs=1 report.resamples=100 report.explain=0"
SEVERAL = """
import sys
from time import perf_counter
from matplotlib.backends.backend_svg import FigureCanvasSVG
from medplug.cli import cli
FigureCanvasSVG.print_svg = lambda self, file, **_: file.write("<svg></svg>")
for line in sys.argv[1:]:
    began = perf_counter()
    cli(line.split(), standalone_mode=False)
    print("ran", round(perf_counter() - began, 1), *sorted(n for n in sys.modules if n.startswith("medplug_broken")))
"""
"""Several commands in one process; after each the seconds it took, and what of the broken package was imported."""


@pytest.fixture(scope="module")
def installed(environment: Any) -> Any:
    made = CliRunner().invoke(cli, ["new", "medplug-ours", "--kind", "adapter", "-o", str(environment.empty)])
    assert made.exit_code == 0, made.output
    shutil.copytree(ROOT / "examples/medplug-broken", environment.empty / "medplug-broken")
    environment.run("pip", "install", "./medplug-ours", "./medplug-broken")
    return environment


def ran(said: str) -> list[list[str]]:
    return [line.split()[1:] for line in said.splitlines() if line.startswith("ran ")]


def test_what_does_not_use_them_works_and_imports_none_of_them(installed: Any) -> None:
    lines = [
        "list adapters",
        "plugins",
        f"run {SMALL} adapter=finetune output=built_in",
        f"run {SMALL} adapter=finetune+ours output=ours",
    ]
    said = installed.run("python", "-c", SEVERAL, *lines)
    assert [modules for _, *modules in ran(said)] == [[]] * len(lines)
    assert len(re.findall(r"of medplug-broken 0\.1\.0, not imported", said)) == 2
    assert len(re.findall(r"^broken_\w+ +medplug-broken 0\.1\.0 +not imported ", said, re.MULTILINE)) == len(FAULTS)
    manifest = json.loads((installed.empty / "ours/manifest.json").read_text())
    assert manifest["plugins"][-1]["distribution"] == "medplug-ours 0.1.0" and manifest["plugins_set_aside"] == []


def test_each_fault_is_named_with_what_to_do_and_the_slow_one_works(installed: Any) -> None:
    began = time.perf_counter()
    used = f"run {SMALL} adapter=finetune+ours+unhurried output=slow"
    said = installed.run("python", "-c", SEVERAL, "plugins --load", "list adapters --load", used)
    assert time.perf_counter() - began > 10
    for name, (fault, fix) in FAULTS.items():
        told = re.search(rf"^{name} \(medplug-broken 0\.1\.0\): (.*)\n  fix: (.*)$", said, re.MULTILINE)
        assert told and re.search(fault, told[1]) and re.search(re.escape(fix), told[2]), (name, told)
    states = dict(re.findall(r"^(\w+) +medplug-\w+ 0\.1\.0 +(set aside|loaded, 1 remark|loaded) ", said, re.MULTILINE))
    working = {"broken_factory": "loaded, 1 remark", "broken_slow": "loaded, 1 remark", "ours": "loaded"}
    assert states == {name: "set aside" for name in FAULTS} | working
    manifest = json.loads((installed.empty / "slow/manifest.json").read_text())
    assert {"broken_slow", "ours"} <= {each["name"] for each in manifest["plugins"]}


def test_what_uses_a_broken_one_says_which_and_why(installed: Any) -> None:
    unfinished = installed.run("medplug", *f"run {SMALL} adapter=finetune+unfinished".split(), code=1)
    assert "adapter unfinished: cannot load 'medplug_broken.method:SquareLogits'" in unfinished
    assert "did you mean SquaredLogits?" in unfinished and "Traceback" not in unfinished
    began = time.perf_counter()
    unknown = installed.run("medplug", *f"run {SMALL} adapter=misspelled".split(), code=2)
    assert time.perf_counter() - began < 10, "the slow one declares what it gives, and that is not asked for"
    assert "there is no adapter named 'misspelled'" in unknown
    assert "broken_hook (medplug-broken 0.1.0): unknown hook 'medplug_adaptors'" in unknown


def test_the_check_of_a_broken_plugin_says_the_same(installed: Any) -> None:
    said = installed.run("medplug", "check", "broken_hook", code=1)
    assert "unknown hook 'medplug_adaptors'; did you mean medplug_adapters?" in said and "rename it" in said
