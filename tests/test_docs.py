"""The documents are held against the code: what they show runs, what they list exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import generator
import pytest

from medplug.core import grammar
from medplug.core.discovery.plugins import Plugins
from medplug.core.plan import make_plan

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    lines = [
        line
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
        for line in block.splitlines()
    ]
    return sorted({line.partition("  #")[0].strip() for line in lines if " run task=" in line})


def test_the_embedding_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("docs/embedding.md", "python"):
        exec(compile(block, "docs/embedding.md", "exec"), names)  # noqa: S102 - it is our own page


def test_the_layers_of_the_transfer_page_run() -> None:
    for block in blocks("docs/transfer.md", "python"):
        exec(compile(block, "docs/transfer.md", "exec"), {})  # noqa: S102 - our own page


def test_the_plugin_of_the_plugin_page_is_accepted() -> None:
    names: dict[str, Any] = {"__name__": "medplug_ward"}
    exec(compile(blocks("docs/plugins.md", "python")[0], "docs/plugins.md", "exec"), names)  # noqa: S102 - our own page
    assert [spec.name for spec in names["medplug_adapters"]()] == ["ward_probe"]


def test_the_plugin_page_lists_every_hook() -> None:
    from medplug.core import hooks

    listed = re.findall(r"^\| `(medplug_\w+)`", (ROOT / "docs/plugins.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(name for name in vars(hooks) if name.startswith("medplug_"))


def test_the_transfer_page_lists_every_adapter_in_its_family() -> None:
    rows = re.findall(r"^\| (\w+) \| ((?:`\w+`(?:, )?)+) \|", (ROOT / "docs/transfer.md").read_text(), re.MULTILINE)
    listed = sorted((family, name) for family, names in rows for name in re.findall(r"`(\w+)`", names))
    assert listed == sorted((spec.family, spec.name) for spec in Plugins(found=()).known("adapter").values())


@pytest.mark.parametrize("command", commands())
def test_every_run_command_of_the_documents_resolves(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "our-bert").mkdir()
    words = [word for word in shlex.split(command.partition(" run ")[2]) if not word.startswith("--")]
    plan = make_plan([("command line", grammar.parse_arguments(words))], Plugins())
    assert plan.task.name


def test_every_key_that_the_documents_name_exists() -> None:
    chosen: list[grammar.Flat] = [{}, {"backbone": "text_cnn"}]
    chosen += [{"task": "imaging"}, {"task": "imaging", "backbone": "resnet18"}]
    every = {"data.text": "t", "data.image": "i", "data.tabular": "v", "data.signal": "s", "data.genes": "g"}
    chosen += [{"task": "multimodal_diagnosis", **every}, {"task": "drug_target"}, {"task": "medical_qa"}]
    plans = [make_plan([("", {"task": "text_diagnosis", **keys})], Plugins()) for keys in chosen]
    valid = {key for plan in plans for key, _, _ in plan.settings()}
    named = {
        key
        for page in PAGES
        for key in re.findall(r"`((?:data|train|task|backbone|report|selection)\.[a-z_]+)", page.read_text())
    }
    assert named - {"report.html"} <= valid


def test_the_registry_of_the_configuration_page_is_accepted(tmp_path: Path) -> None:
    from medplug.core.registry import load

    example = next(block for block in blocks("docs/configuration.md", "yaml") if "ward-bert" in block)
    (tmp_path / "own.yaml").write_text(example)
    assert load(user=tmp_path / "own.yaml").backbones["ward-bert"].licence == "internal"


def test_the_config_file_of_the_configuration_page_is_accepted(tmp_path: Path) -> None:
    example = next(block for block in blocks("docs/configuration.md", "yaml") if "class_weights" in block)
    (tmp_path / "run.yaml").write_text(example)
    plan = make_plan([("file", grammar.read_file(tmp_path / "run.yaml"))], Plugins())
    assert (plan.train.epochs, plan.data.group) == (3, "patient")


def test_links_between_the_documents_lead_somewhere() -> None:
    made = {ROOT / "docs/reference" / name for name in generator.pages()}
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            found = (page.parent / target).resolve()
            assert found.exists() or found in made, f"{page.name} links to {target}"


def test_the_readme_opens_with_the_two_commands() -> None:
    first = blocks("README.md", "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]
