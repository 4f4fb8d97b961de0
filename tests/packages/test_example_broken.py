"""The example that is broken in eight ways, installed beside a package that works: each fault is named."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from medplug.cli import cli

ROOT = Path(__file__).parents[2]
FAULTS = {
    "broken_api": ("states medplug_api = 99; this medplug speaks 1", "medplug is the older of the two"),
    "broken_factory": (
        r"has no 'SquareLogits'; did you mean SquaredLogits\?",
        "name in the spec what the module defines",
    ),
    "broken_hook": (r"unknown hook 'medplug_adaptors'; did you mean medplug_adapters\?", "rename it"),
    "broken_import": ("No module named 'a_package_that_is_nowhere'", "install what gives the module"),
    "broken_name": ("gives the adapter 'finetune', which medplug gives already", "call it otherwise"),
    "broken_signature": (r"medplug_adapters\(config\) asks for config", "write it as def medplug_adapters()"),
    "broken_slow": (r"is slow: its import takes 1\d\.\d s", "only what uses it waits"),
    "broken_spec": (r"medplug_adapters raises KeyError: 'penalties' \(at medplug_broken\.spec:14\)", "tell its author"),
}
"""Of each plugin what is wrong, and the beginning of what to do."""
RUN = "run task=text_diagnosis backbone=text_cnn data.limit=20 train.epochs=1 report.resamples=100 report.explain=0"
COMMANDS = {
    "list": "list adapters",
    "plugins": "plugins",
    "built in": f"{RUN} adapter=finetune output=built_in",
    "ours": f"{RUN} adapter=finetune+ours output=ours",
    "load": "plugins --load",
    "list all": "list adapters --load",
    "slow": f"{RUN} adapter=finetune+unhurried output=slow",
    "unfinished": f"{RUN} adapter=finetune+unfinished output=unfinished",
}
SEVERAL = """
import json, sys
from time import perf_counter
from click.testing import CliRunner
from matplotlib.backends.backend_svg import FigureCanvasSVG
from medplug.cli import cli
FigureCanvasSVG.print_svg = lambda self, file, **_: file.write("<svg></svg>")
for line in sys.argv[1:]:
    began = perf_counter()
    done = CliRunner().invoke(cli, line.split())
    broken = [name for name in sys.modules if name.startswith("medplug_broken")]
    print(json.dumps([done.exit_code, done.output, perf_counter() - began, broken]))
"""
"""Several commands in one process; of each exit code, words, seconds, and what of the eight is imported."""


@dataclass
class Said:
    code: int
    text: str
    seconds: float
    broken: list[str]


@pytest.fixture(scope="module")
def installed(environment: Any) -> Any:
    made = CliRunner().invoke(cli, ["new", "medplug-ours", "--kind", "adapter", "-o", str(environment.empty)])
    assert made.exit_code == 0, made.output
    shutil.copytree(ROOT / "examples/medplug-broken", environment.empty / "medplug-broken")
    environment.run("pip", "install", "./medplug-ours", "./medplug-broken")
    return environment


@pytest.fixture(scope="module")
def said(installed: Any) -> dict[str, Said]:
    printed = installed.run("python", "-c", SEVERAL, *COMMANDS.values())
    return {name: Said(*json.loads(line)) for name, line in zip(COMMANDS, printed.splitlines(), strict=True)}


def manifest(installed: Any, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((installed.empty / run / "manifest.json").read_text())
    return found


def test_what_does_not_use_them_works_and_imports_none_of_them(said: dict[str, Said], installed: Any) -> None:
    for name in ("list", "plugins", "built in", "ours"):
        assert said[name].code == 0 and said[name].broken == [], said[name].text
    assert len(re.findall(r"of medplug-broken 0\.1\.0, not imported", said["list"].text)) == 2
    rows = re.findall(r"^(broken_\w+) +medplug-broken 0\.1\.0 +not imported ", said["plugins"].text, re.MULTILINE)
    assert rows == list(FAULTS)
    assert manifest(installed, "ours")["plugins"][-1]["distribution"] == "medplug-ours 0.1.0"
    assert manifest(installed, "ours")["plugins_set_aside"] == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_what_to_do(said: dict[str, Said], name: str) -> None:
    fault, fix = FAULTS[name]
    found = re.search(rf"^{name} \(medplug-broken 0\.1\.0\): (.*)\n  fix: (.*)$", said["load"].text, re.MULTILINE)
    assert found and re.search(fault, found[1]) and fix in found[2], said["load"].text


def test_those_that_cannot_work_are_set_aside_and_the_others_are_loaded(said: dict[str, Said]) -> None:
    row = re.compile(r"^(\w+) +medplug-\w+ 0\.1\.0 +(set aside|loaded, 1 remark|loaded) ", re.MULTILINE)
    working = {"broken_factory": "loaded, 1 remark", "broken_slow": "loaded, 1 remark", "ours": "loaded"}
    assert dict(row.findall(said["load"].text)) == dict.fromkeys(FAULTS, "set aside") | working
    listed = said["list all"].text
    assert re.search(r"unhurried .*A penalty on large logits", listed) and re.search(r"ours .*Pereyra", listed)
    assert listed.count("set aside: plugin broken_") == 6 and "medplug plugins --load" in listed


def test_the_slow_one_delays_those_alone_that_import_it_and_its_adapter_works(
    said: dict[str, Said], installed: Any
) -> None:
    assert said["load"].seconds > 10 > said["list"].seconds
    assert said["slow"].code == 0, said["slow"].text
    assert "broken_slow" in {each["name"] for each in manifest(installed, "slow")["plugins"]}


def test_a_run_with_code_that_does_not_exist_says_which_and_what_there_is(said: dict[str, Said]) -> None:
    assert said["unfinished"].code == 1
    assert "adapter unfinished: cannot load 'medplug_broken.method:SquareLogits'" in said["unfinished"].text
    assert "did you mean SquaredLogits?" in said["unfinished"].text and "unforeseen" not in said["unfinished"].text


def test_a_name_that_is_found_nowhere_imports_those_alone_that_declare_nothing(installed: Any) -> None:
    began = time.perf_counter()
    text = installed.run("medplug", "run", "task=text_diagnosis", "adapter=misspelled", code=2)
    assert time.perf_counter() - began < 10, "the slow one declares what it gives, and that is not asked for"
    assert "there is no adapter named 'misspelled'" in text
    assert "broken_hook (medplug-broken 0.1.0): unknown hook 'medplug_adaptors'" in text


def test_the_check_of_a_broken_plugin_says_the_same(installed: Any) -> None:
    text = installed.run("medplug", "check", "broken_hook", code=1)
    assert "unknown hook 'medplug_adaptors'; did you mean medplug_adapters?" in text and "rename it" in text
